"""The colours of all figures: on paper, on pages and on terminals."""

# The palette of Okabe and Ito: readers with any colour vision can tell its colours apart.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
INK, FAINT, EMPTY = "#333333", "#b8b8b8", "#ececec"


def series_colour(number: int) -> str:
    """Return the colour of a series, counted from 0; colours repeat after the last one."""
    return COLOURS[number % len(COLOURS)]


def attention_colour(choice: int) -> str:
    """Return the colour of a site's choice: EMPTY for 0, else that of the space's attention."""
    return series_colour(choice - 1) if choice else EMPTY
