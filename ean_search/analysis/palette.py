"""The colours of everything that is drawn, on paper, pages and terminals."""

# Okabe and Ito's: told apart with any colour vision.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
INK, FAINT, EMPTY = "#333333", "#b8b8b8", "#ececec"
