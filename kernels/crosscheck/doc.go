// Package crosscheck holds the cost model against execution, on this machine: golden
// tensors, counts integer for integer, predicted against measured time per kernel,
// and the speedup of one decoder over another, predicted and measured in one run.
package crosscheck
