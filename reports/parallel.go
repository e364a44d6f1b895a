package reports

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
)

// addParallel lists how pipeline stages, groups of devices and spread experts share a workload.
// It lists nothing where one device does all of it.
func addParallel(c *costmodel.Compiled, e *costmodel.Estimate, add func(group, name, value string)) {
	x := e.Parallel
	if x == nil {
		return
	}
	devices := fmt.Sprintf("%d (%s)", x.Devices, c.Ranks())
	if x.Nodes > 1 {
		devices += fmt.Sprintf(" on %d nodes", x.Nodes)
	}
	add("devices", "in all", devices)
	add("devices", "throughput of each", Digits(x.TokensPerSecondPerDevice)+" tok/s")
	add("devices", "sequences at once on each", Int(float64(x.Sequences)))
	add("devices", "sent in a step, inside the node", SI(x.LinkBytes, "B"))
	if x.Nodes > 1 {
		add("devices", "sent in a step, to other nodes", SI(x.NetworkBytes, "B"))
	}
	add("devices", "sending takes, at the links' bandwidth", SI(x.SendSeconds, "s"))
	if x.PP == 1 {
		return
	}
	add("pipeline", "microbatches", Int(float64(x.Microbatches)))
	add("pipeline", "devices wait for other stages", Digits(100*x.BubbleShare)+" % of a step")
	low, high := x.Stages[0], x.Stages[0]
	var layers []string
	for _, s := range x.Stages {
		if s.Seconds < low.Seconds {
			low = s
		}
		if s.Seconds > high.Seconds {
			high = s
		}
		layers = append(layers, fmt.Sprint(s.Layers))
	}
	if len(layers) <= 8 {
		add("pipeline", "layers of its stages", strings.Join(layers, ", "))
	}
	add("pipeline", "a microbatch, by stage", Span(low.Seconds, high.Seconds, "s"))
}

// overlapNote says what a fidelity assumes to happen at the same time.
func overlapNote(f costmodel.Fidelity) string {
	if f == costmodel.Limit {
		return "Inside a stage everything overlaps, what is sent too; a microbatch waits for the stage before it."
	}
	return "What is sent is waited for: nothing overlaps but the stages, which work different microbatches."
}

// parallelNote sums up how the devices of one row share the work.
func parallelNote(c *costmodel.Compiled, x *costmodel.Parallel) string {
	s := fmt.Sprintf("%d devices (%s), %s tok/s each", x.Devices, c.Ranks(), Digits(x.TokensPerSecondPerDevice))
	if x.PP > 1 {
		s += fmt.Sprintf("; they wait for other stages %s %% of a step", Digits(100*x.BubbleShare))
	}
	return s + "."
}
