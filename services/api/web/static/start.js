// A file of its own, since the policy forbids scripts in the page; no validator elsewhere is asked.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
