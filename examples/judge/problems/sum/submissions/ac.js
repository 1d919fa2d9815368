const [count, ...numbers] = require("fs").readFileSync(0, "utf8").split(/\s+/).filter(Boolean).map(Number);
console.log(numbers.slice(0, count).reduce((sum, number) => sum + number, 0));
