"""The report of studies: figures and one HTML page, made from results alone."""
