import services.worker.settings
