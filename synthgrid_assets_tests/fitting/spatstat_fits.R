# spatstat's own data sets, and what its kppm and ppm find in them.

source("spatstat.R")
if (!suppressWarnings(suppressMessages(require(spatstat.model, quietly = TRUE)))) quit(status = 77)
data(redwood); data(bei); data(swedishpines)

for (name in c("redwood", "bei")) {
  points <- get(name)
  answer(paste0(name, "_x"), points$x)
  answer(paste0(name, "_y"), points$y)
  thomas <- kppm(points ~ 1, "Thomas")
  answer(paste0(name, "_thomas"), c(thomas$par["kappa"], sqrt(thomas$par["sigma2"])))
  matern <- kppm(points ~ 1, "MatClust")
  answer(paste0(name, "_matern_cluster"), c(matern$par["kappa"], matern$par["R"]))
  answer(paste0(name, "_k"), Kest(points, correction = "isotropic")$iso)
}

answer("pines_x", swedishpines$x)
answer("pines_y", swedishpines$y)
# as many dummy places as fit an eighth of the radius: coarser ones bias the interaction
strauss <- ppm(quadscheme(swedishpines, nd = 128) ~ 1, Strauss(9))
answer("pines_strauss", coef(strauss))
answer("pines_errors", sqrt(diag(vcov(strauss))))

elevation <- bei.extra$elev
on <- ppm(bei ~ elevation)
answer("elevation", t(elevation$v))
answer("elevation_x", elevation$xcol)
answer("elevation_y", elevation$yrow)
answer("bei_on_elevation", coef(on))
answer("bei_errors", sqrt(diag(vcov(on))))
