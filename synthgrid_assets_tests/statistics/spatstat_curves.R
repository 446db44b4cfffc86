# K, G and F of a window's points with the neighbours of its halo; lengths in cells.
# Arguments: a CSV of the points (x, y), and one of x0, y0, x1, y1 of the window and the halo.

source("spatstat.R")
files <- commandArgs(trailingOnly = TRUE)
points <- read.csv(files[1])
size <- read.csv(files[2])
halo <- size$halo
window <- owin(c(size$x0, size$x1), c(size$y0, size$y1))
X <- ppp(points$x, points$y, window = grow.rectangle(window, halo))
inner <- inside.owin(X$x, X$y, window)
all <- rep(TRUE, npoints(X))
r <- seq(0, halo, length.out = 32 * halo + 1)

# uncorrected, from the window's points to all points: the neighbours are really there
answer("r", r)
answer("pairs", Kmulti(X, inner, all, r = r, correction = "none")$un * intensity(X) * sum(inner))
answer("g", Gmulti(X, inner, all, r = r, disjoint = FALSE, correction = "none")$raw)
fine <- list(r = r, eps = 0.5, checkspacing = FALSE) # pixels of half a cell
F <- function(...) do.call(Fest, c(list(X), fine, list(...)))
answer("f", F(domain = window, correction = "none")$raw)

# spatstat's own correction of all of the pattern: at r = halo it keeps the window's points
last <- length(r)
border <- Kest(X, r = r, correction = "border")$border[last] * intensity(X) * sum(inner)
answer("border", c(border, Gest(X, r = r, correction = "rs")$rs[last],
                   F(correction = "rs")$rs[last]))
