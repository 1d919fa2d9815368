// Asks somebody else for the answer.
const socket = require("net").connect(80, "127.0.0.1");
socket.on("error", () => console.log(6));
socket.on("connect", () => console.log(6));
