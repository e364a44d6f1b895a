package arch

// A model has more parameters than 32 bits can count, and sizes are multiplied as ints in the
// whole program, which would overflow without notice where an int has 32 bits. For such machines
// (386, arm, mips, 32-bit WebAssembly), this line makes the build fail.
const ridgelineNeedsA64BitMachine int = 1 << 62

var _ = ridgelineNeedsA64BitMachine
