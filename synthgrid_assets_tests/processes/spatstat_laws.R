# Second-order functions that spatstat states, and samples that spatstat draws; lengths in cells.

source("spatstat.R")

# stated: par is (kappa, sigma^2) and (kappa, R)
r <- seq(0, 4, by = 0.05)
answer("r", r)
for (kappa in c(0.5, 3)) for (scale in c(0.3, 1.1)) {
  parameters <- c(kappa, scale)
  thomas <- spatstatClusterModelInfo("Thomas")
  name <- function(what) paste(what, kappa, scale, sep = "_")
  answer(name("thomas_k"), thomas$K(c(kappa, scale^2), r))
  answer(name("thomas_g"), thomas$pcf(c(kappa, scale^2), r))
  matern <- spatstatClusterModelInfo("MatClust")
  answer(name("matern_cluster_k"), matern$K(c(kappa, scale), r))
  answer(name("matern_cluster_g"), matern$pcf(c(kappa, scale), r))
}

# drawn: the number of points in a window of 3 x 2 cells, and of ordered pairs in it that
# are at most a distance apart, of each of many independent samples
window <- owin(c(0, 3), c(0, 2))
pairs <- function(X, distances) {
  d <- closepairs(X, max(distances), what = "ijd")$d
  sapply(distances, function(most) sum(d <= most))
}
drawn <- function(name, samples, distances) {
  answer(paste0(name, "_counts"), sapply(samples, npoints))
  near <- sapply(samples, pairs, distances = distances)
  for (i in seq_along(distances))
    answer(paste(name, "pairs", distances[i], sep = "_"), near[i, ])
}
drawn("thomas", rThomas(0.5, 0.7, 8, window, nsim = 3000), c(0.3, 1, 2))
drawn("matern_cluster", rMatClust(0.5, 0.6, 8, window, nsim = 3000), c(0.3, 1, 2))
drawn("matern_i", rMaternI(8, 0.15, window, nsim = 4000), c(0.2, 0.25, 0.5))
drawn("matern_ii", rMaternII(8, 0.25, window, nsim = 3000), c(0.3, 0.4, 0.8))

# Gibbs processes, perfectly simulated; a cell of margin hides spatstat's empty outside
wide <- grow.rectangle(window, 1)
inside <- function(samples) lapply(samples, function(X) X[window])
drawn("strauss", inside(rStrauss(4, 0.5, 0.2, wide, nsim = 1500)), c(0.1, 0.2, 0.4))
drawn("hard_core", inside(rHardcore(3, 0.2, wide, nsim = 1500)), c(0.25, 0.3, 0.4))
