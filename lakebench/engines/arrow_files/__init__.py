"""Libraries that read and write one file format as Arrow: PyArrow, vortex-data, pylance."""
