package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/units"
)

// CompareTable lays a comparison out with one row for each model; the first row is the baseline.
func CompareTable(rows []costmodel.Row) *Table {
	b := rows[0].Workload.Batch
	same := true
	for _, r := range rows {
		same = same && r.Workload.Batch == b
	}
	at := fmt.Sprintf("tok/s\nbatch %d", b)
	if !same {
		at = "tok/s\nbatch"
	}
	t := &Table{Turn: true, Columns: []Column{
		{Name: "model", CSV: "model", Left: true},
		{Name: "params", CSV: "params", Scale: true},
		{Name: "KV\nstored", Unit: "B/tok", CSV: "cache_bytes_per_token"},
		{Name: "KV\nread", Unit: "B/tok", CSV: "cache_read_bytes_per_token"},
		{Name: "state", Unit: "B/seq", CSV: "state_bytes_per_sequence", Scale: true},
		{Name: "largest\nbatch", CSV: "max_batch"},
		{Name: "TTFT", Unit: "s", CSV: "ttft_seconds", Scale: true},
		{Name: "TPOT", Unit: "s", CSV: "tpot_seconds", Scale: true},
		{Name: at, CSV: "tokens_per_second", Plain: true},
		{Name: "tok/s\nlargest", CSV: "tokens_per_second_at_max_batch", Plain: true},
		{Name: "speedup", CSV: "speedup"},
	}}
	several := slices.ContainsFunc(rows, func(r costmodel.Row) bool { return r.Compiled.Devices() > 1 })
	if several {
		t.Columns = append(t.Columns, Column{Name: "devices", CSV: "devices"}, Column{Name: "tok/s\na device", CSV: "tokens_per_second_per_device", Plain: true})
	}
	if rows[0].Speculative != nil {
		t.Columns = append(t.Columns, speculationColumns()...)
	}
	for i := range rows {
		r := &rows[i]
		tps := Num(r.Decode.TokensPerSecond)
		if !same {
			tps = Shown(tps.V, fmt.Sprintf("%s @%d", Digits(tps.V), r.Workload.Batch))
		}
		cells := []Cell{Txt(rowName(rows, i)), Num(float64(r.Compiled.Model.Params().Total)), Num(r.Memory.CacheBytesPerToken),
			Num(r.Memory.CacheReadBytesPerToken), Num(r.Memory.StateBytesPerSequence), Num(float64(r.Memory.MaxBatch)),
			Num(r.TTFT()), Num(r.TPOT()), tps, Num(r.TokensPerSecondAtMax), Shown(r.Speedup, ratio(r.Speedup))}
		if several {
			n := float64(r.Compiled.Devices())
			cells = append(cells, Num(n), Num(r.Decode.TokensPerSecond/n))
		}
		if r.Speculative != nil {
			cells = append(cells, speculationCells(r.Speculative)...)
		}
		t.Add(cells...)
	}
	t.Notes = append([]string{Verdict(rows)}, Misfits(rows)...)
	t.Notes = append(t.Notes, Remarks(rows)...)
	t.Notes = append(t.Notes, calibratedNotes(rows)...)
	t.Notes = append(t.Notes, CompareSetting(rows))
	return t
}

// Misfits say which rows do not fit their device, and how far they are from it.
func Misfits(rows []costmodel.Row) []string {
	out := []string{}
	for i := range rows {
		if !rows[i].Memory.Fits {
			out = append(out, rowName(rows, i)+" "+Misfit(rows[i].Estimate)+".")
		}
	}
	return out
}

// Remarks say what rows assume beyond their setting: lengths past what a model was trained
// for, what stages and groups wait for, cached prompts and drafts.
func Remarks(rows []costmodel.Row) []string {
	out := []string{}
	for i := range rows {
		if s := BeyondContext(rows[i].Compiled, rows[i].Workload); s != "" {
			out = append(out, s)
		}
	}
	for i := range rows {
		if x := rows[i].Parallel; x != nil {
			out = append(out, rowName(rows, i)+": "+parallelNote(rows[i].Compiled, x))
		}
	}
	return append(append(out, prefixNotes(rows)...), speculationNotes(rows)...)
}

// rowName returns the name of a row's model, followed by its device where the rows are of several
// devices.
func rowName(rows []costmodel.Row, i int) string {
	c := rows[i].Compiled
	for _, r := range rows {
		if r.Compiled.Hardware.Name != c.Hardware.Name {
			return c.Model.Name + " on " + c.Hardware.Name
		}
	}
	return c.Model.Name
}

// RowNames returns names that tell the rows of a comparison apart: those of the models, followed
// by the device where devices differ.
func RowNames(rows []costmodel.Row) []string {
	out := make([]string, len(rows))
	for i := range rows {
		out[i] = rowName(rows, i)
	}
	return out
}

// CompareSetting says what a comparison assumes, and names all of its devices.
func CompareSetting(rows []costmodel.Row) string {
	s := Setting(rows[0].Compiled, rows[0].Estimate)
	var on []string
	for _, r := range rows {
		if !slices.Contains(on, r.Compiled.Hardware.Name) {
			on = append(on, r.Compiled.Hardware.Name)
		}
	}
	return strings.Replace(s, " on "+on[0], " on "+strings.Join(on, ", "), 1)
}

// calibratedNotes say how sure calibrated rows are, what the datasheet alone would say, and which
// rows rest on other measurements than the baseline does.
func calibratedNotes(rows []costmodel.Row) []string {
	if !slices.ContainsFunc(rows, func(r costmodel.Row) bool { return r.Roofline != nil }) {
		return nil
	}
	var spans, roofs, notes []string
	base := atRoofline(&rows[0])
	for i := range rows {
		r := &rows[i]
		name := rowName(rows, i)
		if r.Interval.Low != nil {
			spans = append(spans, name+" "+Span(*r.Interval.Low, *r.Interval.High, "s"))
		}
		if i > 0 {
			roofs = append(roofs, name+" "+ratio(atRoofline(r)/base))
		}
		switch {
		case r.Fidelity != rows[0].Fidelity:
			notes = append(notes, fmt.Sprintf("Fidelity of %s: %s, basis: %s. Its speedup sets times of two fidelities against each other; those at roofline do not.", name, r.Fidelity, r.Basis))
		case r.Basis != rows[0].Basis:
			notes = append(notes, fmt.Sprintf("Basis of %s: %s.", name, r.Basis))
		}
	}
	first := "90 % interval of TPOT: " + strings.Join(spans, ", ") + "."
	if len(roofs) > 0 {
		first += " Speedup at roofline: " + strings.Join(roofs, ", ") + "."
	}
	return append([]string{first}, notes...)
}

// atRoofline returns a row's throughput at roofline, in tokens per second, also for rows that are
// not calibrated.
func atRoofline(r *costmodel.Row) float64 {
	if r.Roofline != nil {
		return r.Roofline.Decode.TokensPerSecond
	}
	return r.Decode.TokensPerSecond
}

func ratio(v float64) string { return units.Ratio(v) }

// Misfit says by how much a batch exceeds the memory of its device.
func Misfit(e costmodel.Estimate) string {
	if e.Memory.MaxBatch == 0 {
		return fmt.Sprintf("does not fit: batch %s lacks %s, not even one sequence fits (times are as if it did)", Int(float64(e.Workload.Batch)), SI(e.Memory.MissingBytes, "B"))
	}
	return fmt.Sprintf("does not fit: batch %s lacks %s, the largest that fits is %s (times are as if it did)", Int(float64(e.Workload.Batch)), SI(e.Memory.MissingBytes, "B"), Int(float64(e.Memory.MaxBatch)))
}

// Setting says what an estimate assumes: device, lengths, batch, formats and fidelity.
func Setting(c *costmodel.Compiled, e costmodel.Estimate) string {
	s := fmt.Sprintf("%s tokens prompt + %s generated on %s", Int(float64(e.Workload.Prompt)), Int(float64(e.Workload.Generate)), c.Hardware.Name)
	if c.Devices() > 1 {
		s += fmt.Sprintf(" × %d", c.Devices())
	}
	if c.Devices() > c.TP() || c.EP() > 1 {
		s += " (" + c.Ranks() + ")"
	}
	s += fmt.Sprintf(". Fidelity %s, basis: %s. ", e.Fidelity, e.Basis)
	if e.Engine != "" {
		s += "Engine " + e.Engine + "; "
	}
	s += fmt.Sprintf("%s; KV %s", c.Formats(), c.Options.KVRead)
	if c.Options.Diff != execution.Fused {
		s += ", differential " + c.Options.Diff.String()
	}
	return s + ", prefill " + c.Options.Prefill.String() + "."
}

// Furthest returns the index of the row that the verdict sets against the baseline: among the
// rows that fit their device, the one whose speed differs most from the baseline's. There must be
// at least two rows.
func Furthest(rows []costmodel.Row) int {
	far := 1
	for i := 2; i < len(rows); i++ {
		r, other := rows[i], rows[far]
		// A comparison of a model that fits with one that does not says little.
		if r.Memory.Fits != other.Memory.Fits {
			if r.Memory.Fits {
				far = i
			}
		} else if math.Abs(math.Log(r.Speedup)) > math.Abs(math.Log(other.Speedup)) {
			far = i
		}
	}
	return far
}

// Verdict says in one sentence where the difference comes from between the baseline and the model
// whose speed differs most from it. Every figure in it is one of the rows'.
func Verdict(rows []costmodel.Row) string {
	what, why := Verdicts(rows)
	return what + why
}

// Verdicts is Verdict in two: how fast, and after a colon or semicolon why.
func Verdicts(rows []costmodel.Row) (what, why string) {
	if len(rows) < 2 {
		r := rows[0]
		b, share := largest(r.Time)
		return fmt.Sprintf("%s decodes %s tok/s at batch %d", r.Compiled.Model.Name, Digits(r.Decode.TokensPerSecond), r.Workload.Batch),
			fmt.Sprintf("; %s take %.0f %% of a mean step.", noun(b), 100*share) + drafted(rows, 0)
	}
	names, far := RowNames(rows), Furthest(rows)
	base, other := rows[0], rows[far]
	bn, on := names[0], names[far]
	where := "at batch " + Int(float64(base.Workload.Batch))
	if other.Workload.Batch != base.Workload.Batch {
		where = fmt.Sprintf("at batch %s against %s", Int(float64(other.Workload.Batch)), Int(float64(base.Workload.Batch)))
	}
	lead := fmt.Sprintf("%s decodes %s as fast as %s %s", on, ratio(other.Speedup), bn, where)
	if math.Abs(other.Speedup-1) < 0.005 {
		lead = fmt.Sprintf("%s and %s decode equally fast %s", on, bn, where)
	}
	if base.Fidelity != other.Fidelity {
		lead += fmt.Sprintf(" by times of two fidelities, %s against %s (%s with both at roofline)", other.Fidelity, base.Fidelity, ratio(atRoofline(&other)/atRoofline(&base)))
	}
	// Find the kind of work whose time per token changed most in the direction in which the whole
	// changed, and the kind that takes most of a step now.
	perToken := func(r costmodel.Row, b costmodel.Bound) float64 { return r.Time[b] / float64(r.Workload.Batch) }
	net := 0.0
	for _, b := range costmodel.Bounds() {
		net += perToken(base, b) - perToken(other, b)
	}
	most := costmodel.Bound(0)
	gain := func(b costmodel.Bound) float64 {
		return math.Copysign(1, net) * (perToken(base, b) - perToken(other, b))
	}
	for _, b := range costmodel.Bounds() {
		if gain(b) > gain(most) {
			most = b
		}
	}
	was, is, of := base.Time[most], other.Time[most], "of a step"
	if other.Workload.Batch != base.Workload.Batch {
		was, is, of = perToken(base, most), perToken(other, most), "per token"
	}
	why = fmt.Sprintf("most of the difference is %s: %s against %s %s", noun(most), SI(is, "s"), SI(was, "s"), of)
	if gain(most) < 0.005*base.Decode.MeanStepSeconds/float64(base.Workload.Batch) {
		why = "no part of a step takes longer on one than on the other"
	} else if base.Fidelity != costmodel.Roofline {
		why += " at roofline"
	}
	if most == costmodel.BoundCache {
		if o, b := other.Memory.CacheReadBytesPerToken, base.Memory.CacheReadBytesPerToken; o > 0 && b > 0 && o != b {
			why += fmt.Sprintf(" (it reads %s B of cache per token of context, not %s: %s)", Int(o), Int(b), times(b/o))
		}
	}
	rest, share := largest(other.Time)
	tail := fmt.Sprintf("%s now take %.0f %% of its step", noun(rest), 100*share)
	mixed := ""
	if base.Fidelity != other.Fidelity {
		mixed = ", by the same two fidelities"
	}
	atMax := base.Workload.Batch == base.Memory.MaxBatch && other.Workload.Batch == other.Memory.MaxBatch
	if !atMax && base.TokensPerSecondAtMax > 0 && other.TokensPerSecondAtMax > 0 {
		tail += fmt.Sprintf(", and at each one's largest batch (%s against %s) it makes %s the tokens per second"+mixed,
			Int(float64(other.Memory.MaxBatch)), Int(float64(base.Memory.MaxBatch)), ratio(other.TokensPerSecondAtMax/base.TokensPerSecondAtMax))
	}
	return lead, ": " + why + "; " + tail + "." + drafted(rows, far)
}

func times(r float64) string {
	if r >= 1 {
		return fmt.Sprintf("%.1f× less", r)
	}
	return fmt.Sprintf("%.1f× more", 1/r)
}

func noun(b costmodel.Bound) string {
	return map[costmodel.Bound]string{costmodel.BoundWeights: "weight reads", costmodel.BoundCache: "cache reads",
		costmodel.BoundState: "recurrent states", costmodel.BoundActivations: "activations",
		costmodel.BoundCompute: "compute-bound operations", costmodel.BoundLink: "collectives"}[b]
}

// largest returns the kind of work that takes most of a step, and its share of the step's time.
func largest(t [6]float64) (costmodel.Bound, float64) {
	best, sum := 0, 0.0
	for b, v := range t {
		sum += v
		if v > t[best] {
			best = b
		}
	}
	return costmodel.Bound(best), t[best] / sum
}

// FitsTable says what each row keeps in the memory of its device, and whether that fits.
func FitsTable(rows []costmodel.Row) *Table {
	t := &Table{Title: "A device's memory at full length", Columns: []Column{
		{Name: "model", Left: true}, {Name: "verdict", Left: true}, {Name: "weights", Unit: "B", Scale: true}, {Name: "a sequence", Unit: "B", Scale: true}, {Name: "workspace", Unit: "B", Scale: true},
		{Name: "in use", Unit: "B", Scale: true}, {Name: "capacity", Unit: "B", Scale: true}, {Name: "batch"}, {Name: "largest\nbatch"}}}
	for i, r := range rows {
		v := "fits"
		if !r.Memory.Fits {
			v = "does not fit: lacks " + SI(r.Memory.MissingBytes, "B")
		}
		m := r.Memory
		t.Add(Txt(rowName(rows, i)), Txt(v), Num(m.WeightsBytes), Num(m.BytesPerSequence), Num(m.WorkspaceBytes), Num(m.TotalBytes), Num(m.CapacityBytes),
			Num(float64(r.Workload.Batch)), Num(float64(m.MaxBatch)))
	}
	return t
}
