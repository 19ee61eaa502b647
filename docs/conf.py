"""Settings of Sphinx: `make docs` builds the documentation without the network."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import mingolotss

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_extensions"))


def _digest_of_the_package() -> str:
    """Return a checksum of the sources of the package, on which the output of notebooks depends."""
    package = Path(mingolotss.__file__).parent
    total = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.suffix in {".py", ".toml", ".c", ".h"}:
            total.update(path.read_bytes())
    return total.hexdigest()[:12]


project = "mingolotss"
author = "The mingolotss developers"
project_copyright = author
release = mingolotss.__version__
version = release.split("+")[0]
language = "en"

extensions = [
    "myst_nb",
    "gallery_pictures",
    "repository_links",
    "python_reference",
    "command_reference",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_extensions", "_templates"]
nitpicky = False

# Pages in Markdown, which forges also show.
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4

# Notebooks are stored without outputs. The build executes them, and again only if they or the
# package change.
nb_execution_mode = "cache"
digest_of_the_package = _digest_of_the_package()
nb_execution_cache_path = str(
    Path(os.environ.get("MINGOLOTSS_DOCS_CACHE", DOCS / "_build/notebooks")) / digest_of_the_package
)
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # of one cell; a busy machine is several times as slow
nb_merge_streams = True

# The reference of the Python interface comes from the docstrings.
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give the types, with shapes and units
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

copybutton_prompt_text = r">>> |\.\.\. |\$ |In \[\d*\]: "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

html_theme = "pydata_sphinx_theme"
html_title = "mingolotss"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sourcelink_suffix = ""
html_sidebars = {page: [] for page in ("index", "install", "gallery")}  # which have no neighbours
html_context = {"default_mode": "auto"}  # light or dark, as the browser prefers
html_theme_options = {
    "logo": {
        "text": "mingolotss",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo-dark.svg",
    },
    "navbar_start": ["navbar-logo", "version"],
    "navbar_persistent": ["search-field"],
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright", "version"],
    "footer_end": ["theme-version"],
}

linkcheck_ignore = [r"https?://([\w.]+\.)?example\.org", r"https?://(localhost|127\.0\.0\.1)"]
