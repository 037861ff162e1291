// Whoever is on the network again need not press anything.
window.addEventListener("online", () => window.location.reload());
