# Linear K of points on a network, with and without Ang's correction.
source("spatstat.R")
if (!suppressWarnings(suppressMessages(require(spatstat.linnet, quietly = TRUE)))) quit(status = 77)
folder <- commandArgs(TRUE)[1]
read <- function(name) read.csv(file.path(folder, name))
v <- read("nodes.csv")
network <- linnet(ppp(v$x, v$y, range(v$x), range(v$y), checkdup = FALSE),
                  edges = as.matrix(read("edges.csv")))
points <- suppressWarnings(lpp(read("points.csv"), network))
r <- read("distances.csv")$r
answer("none", linearK(points, r = r, correction = "none")[["est"]])
answer("ang", suppressWarnings(linearK(points, r = r, correction = "Ang"))[["est"]])
