package reports

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
)

// handOver lists what has to be sent after a prompt where another device decodes it.
func handOver(add func(group, name, value string), x costmodel.Transfer) {
	if x.Bytes <= 0 {
		return
	}
	v := SI(x.Bytes, "B")
	if x.Seconds != nil {
		v += ", " + SI(*x.Seconds, "s")
	}
	add("prefill", "to hand over, over the link", v)
	if x.UnsharedBytes > 1.005*x.Bytes {
		add("prefill", "… if each layer kept a cache", fmt.Sprintf("%s, %s", SI(x.UnsharedBytes, "B"), ratio(x.UnsharedBytes/x.Bytes)))
	}
}

// speculated lists how speculative decoding changes an estimate.
func speculated(add func(group, name, value string), s *costmodel.Speculative) {
	if s == nil {
		return
	}
	const g = "speculation"
	add(g, fmt.Sprintf("draft of %d tokens, %s accepted", s.DraftTokens, percent(s.Acceptance)), s.Draft)
	add(g, "tokens a step", Digits(s.ExpectedTokens))
	add(g, "drafting + verification", SI(s.DraftSeconds, "s")+" + "+SI(s.VerifySeconds, "s"))
	add(g, "time to first token", SI(s.TTFTSeconds, "s"))
	add(g, "TPOT", SI(s.TPOTSeconds, "s"))
	add(g, fmt.Sprintf("throughput at batch %s", Int(float64(s.Batch))), Digits(s.Throughput)+" tok/s")
	add(g, "speedup of decoding", ratio(s.Speedup))
	add(g, "acceptance from which on it gains", breakEven(s))
	add(g, "gains at batches", gainsAt(s))
	add(g, "largest batch that fits", fmt.Sprintf("%s (without: %s)", Int(float64(s.MaxBatch)), Int(float64(s.Without))))
}

// drafted says what drafts make of the model that a verdict is about, " With …"; "" without.
func drafted(rows []costmodel.Row, far int) string {
	s := rows[far].Speculative
	if s == nil {
		return ""
	}
	lead := fmt.Sprintf(" With %s a step drafted by %s, %s of them accepted, ", tokensOf(s.DraftTokens), s.Draft, percent(s.Acceptance))
	if base := rows[0].Speculative; far > 0 && base != nil {
		return lead + fmt.Sprintf("it decodes %s as fast as %s with as many: %s and %s as fast as without.", ratio(s.Throughput/base.Throughput), rowName(rows, 0), ratio(s.Speedup), ratio(base.Speedup))
	}
	return lead + fmt.Sprintf("it decodes %s tok/s, %s as many.", Digits(s.Throughput), ratio(s.Speedup))
}

func tokensOf(n int) string {
	if n == 1 {
		return "1 token"
	}
	return Int(float64(n)) + " tokens"
}

func breakEven(s *costmodel.Speculative) string {
	if s.BreakEven == nil {
		return "never"
	}
	return Digits(*s.BreakEven)
}

// gainsAt says at which batches speculation is no slower.
func gainsAt(s *costmodel.Speculative) string {
	switch {
	case s.GainsFrom == 0:
		return "none that fits"
	case s.SlowerFrom == 0:
		return "from " + Int(float64(s.GainsFrom)) + " on"
	}
	return fmt.Sprintf("%s to %s", Int(float64(s.GainsFrom)), Int(float64(s.SlowerFrom-1)))
}

// speculationColumns are the columns of a comparison in which every row speculates.
func speculationColumns() []Column {
	return []Column{
		{Name: "TPOT\nspec.", Unit: "s", CSV: "speculative_tpot_seconds", Scale: true},
		{Name: "gain\nspec.", CSV: "speculative_speedup"},
		{Name: "gains\nfrom α", CSV: "break_even_acceptance"},
		{Name: "gains\nat batches", CSV: "gains_at_batches"},
	}
}

func speculationCells(s *costmodel.Speculative) []Cell {
	even := Txt("never")
	if s.BreakEven != nil {
		even = Shown(*s.BreakEven, Digits(*s.BreakEven))
	}
	return []Cell{Num(s.TPOTSeconds), Shown(s.Speedup, ratio(s.Speedup)), even, Txt(gainsAt(s))}
}

// speculationNotes say what the figures of speculation assume.
func speculationNotes(rows []costmodel.Row) []string {
	var notes []string
	var states []string
	for i := range rows {
		s := rows[i].Speculative
		if s == nil {
			continue
		}
		if len(notes) == 0 {
			notes = append(notes, fmt.Sprintf("Speculation: %s of %d drafted tokens are taken to be accepted, each whatever came of the others: %s tokens a step. Drafting and verification follow each other; drawing tokens is not priced.",
				percent(s.Acceptance), s.DraftTokens, Digits(s.ExpectedTokens)))
			if rows[i].Fidelity == costmodel.Calibrated {
				notes[0] += " Steps of several tokens a sequence were not timed: attention of them is taken as of as many query heads more, recurrences as longer by the bytes they move more."
			}
		}
		if s.SnapshotBytes > 0 {
			states = append(states, fmt.Sprintf("%s %s", rowName(rows, i), SI(s.SnapshotBytes, "B")))
		}
		if s.Batch > s.MaxBatch {
			notes = append(notes, fmt.Sprintf("%s with its draft does not fit: batch %s, the largest that fits is %s (times are as if it did).", rowName(rows, i), Int(float64(s.Batch)), Int(float64(s.MaxBatch))))
		}
	}
	if len(states) > 0 {
		notes = append(notes, "Recurrent states behind each drafted token are written and kept, so that none is run again; they add to a sequence: "+strings.Join(states, ", ")+".")
	}
	return notes
}

// prefixNotes say how much of each prompt was taken to be in the cache already.
func prefixNotes(rows []costmodel.Row) []string {
	var notes []string
	for i := range rows {
		c, w := rows[i].Compiled, rows[i].Workload
		if w.PrefixShare <= 0 {
			continue
		}
		s := fmt.Sprintf("%s finds %s of %s tokens of each prompt in the cache", rowName(rows, i), Int(float64(w.Cached)), Int(float64(w.Prompt)))
		if c.Recurrent() {
			s += fmt.Sprintf(": its recurrent states are kept at the ends of blocks, and those have %s tokens", Int(float64(c.ReuseBlock())))
		}
		notes = append(notes, s+".")
	}
	return notes
}

// speculated fills in how many tokens a run drafted and accepted.
func (r *SimulateRow) speculated(d *serving.Deployment, s *serving.Stats) {
	v := d.Limits.Verified
	if v.Drafts == 0 {
		return
	}
	r.Drafts, r.DraftTokens, r.AcceptedTokens = s.VerifySteps, s.VerifySteps*v.Drafts, s.VerifiedTokens-s.VerifySteps
	if s.VerifySteps == 0 {
		return
	}
	rate, length := 100*float64(r.AcceptedTokens)/float64(r.DraftTokens), float64(s.VerifiedTokens)/float64(s.VerifySteps)
	r.AcceptanceRate, r.AcceptanceLength = &rate, &length
}

// apart fills in how long caches took to reach the replicas that decode.
func (r *SimulateRow) apart(a *serving.Apart, o *serving.Outcome) {
	if a == nil {
		return
	}
	r.PrefillReplicas, r.DecodeReplicas, r.Replicas = a.Prefill, a.Decode, a.Prefill+a.Decode
	r.MeanHandover, _, _, _, _, _ = millis(o.Handover)
	if s := &o.Stats; s.Transfers > 0 {
		ms := 1e3 * s.TransferTime / float64(s.Transfers)
		r.MeanTransfer = &ms
	}
}
