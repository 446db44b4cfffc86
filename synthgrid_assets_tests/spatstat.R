# What every script shares: the packages, one fixed stream, and how a result is handed back.

for (package in c("spatstat.random", "spatstat.explore")) {
  if (!suppressWarnings(suppressMessages(require(package, character.only = TRUE, quietly = TRUE))))
    quit(status = 77)
}
RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(20240229)

answer <- function(name, values)
  cat(paste(c(name, sprintf("%.17g", values)), collapse = ","), "\n", sep = "")
