"""How Sphinx builds the guide out of the pages beside this file: make docs."""

project = "lakebench"
extensions = ["myst_parser"]
root_doc = "index"
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # code that leaves something out with … is no valid SQL
html_theme = "furo"
html_title = "lakebench"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
