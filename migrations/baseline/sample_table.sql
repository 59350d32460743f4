-- A target table for the examples of the documentation.

CREATE TABLE public.items (
    sku text NOT NULL,
    name text NOT NULL,
    category text NOT NULL,
    price numeric(12, 2) NOT NULL,
    quantity integer NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_items PRIMARY KEY (sku),
    CONSTRAINT ck_items_price CHECK (price >= 0),
    CONSTRAINT ck_items_quantity CHECK (quantity >= 0)
);
COMMENT ON TABLE public.items IS 'The sample target table.';
