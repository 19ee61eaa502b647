"""Find what makes a dataset or several of them unsound for machine learning."""
