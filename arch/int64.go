package arch

// A model has more parameters than 32 bits count, and sizes are multiplied as ints all over
// the program: where an int has 32 bits they would overflow without a word. The build stops
// here instead, on 386, arm, mips and wasm32-like machines.
const ridgelineNeedsA64BitMachine int = 1 << 62

var _ = ridgelineNeedsA64BitMachine
