"""From what somebody orders to a run: what was said (`spec`), what it means here and now (`build`), and again."""
