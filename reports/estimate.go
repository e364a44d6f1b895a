package reports

import (
	"fmt"
	"io"
	"strings"

	"ridgeline/arch"
	"ridgeline/costmodel"
)

// Estimate is a model's answer to a workload, with everything that identifies it. Its
// JSON form is stable: fields are added, never renamed.
type Estimate struct {
	Model          string                   `json:"model"`
	Hardware       string                   `json:"hardware"`
	Fidelity       string                   `json:"fidelity"`
	Basis          string                   `json:"basis"`
	Workload       costmodel.Workload       `json:"workload"`
	Deployment     Deployment               `json:"deployment"`
	Params         arch.ParamCount          `json:"params"`
	Memory         costmodel.Memory         `json:"memory"`
	Prefill        costmodel.PrefillSummary `json:"prefill"`
	Decode         costmodel.Decode         `json:"decode"`
	TTFTSeconds    float64                  `json:"ttft_seconds"`
	TPOTSeconds    float64                  `json:"tpot_seconds"`
	RequestSeconds float64                  `json:"request_seconds"`
	Interval       costmodel.Interval       `json:"interval"`
	// TokensPerSecondAtMaxBatch is the decode rate at Memory.MaxBatch; nil where not one
	// sequence fits.
	TokensPerSecondAtMaxBatch *float64    `json:"tokens_per_second_at_max_batch"`
	Breakdown                 []Operation `json:"breakdown,omitempty"`

	// Parts are the operations of the mean decode step, what the sentence under a
	// comparison argues from.
	Parts []costmodel.OpCost `json:"-"`
}

// Deployment says how the model is run.
type Deployment struct {
	Formats    string `json:"formats"`
	TP         int    `json:"tp"`
	Prefill    string `json:"prefill"`
	KVRead     string `json:"kv_read"`
	DiffKernel string `json:"diff_kernel"`
	GPU        string `json:"hardware_title"`
}

// figure is one number of an estimate.
type figure struct {
	name  string
	unit  string // base unit; "" for counts
	whole bool   // counts: no prefix, thousands separated
	value func(*Estimate) float64
}

type section struct {
	name    string
	figures []figure
}

func sections() []section {
	return []section{
		{"model", []figure{
			{"parameters", "", false, func(e *Estimate) float64 { return float64(e.Params.Total) }},
			{"without embedding", "", false, func(e *Estimate) float64 { return float64(e.Params.NonEmbedding) }},
		}},
		{"memory", []figure{
			{"weights", "B", false, func(e *Estimate) float64 { return e.Memory.WeightsBytes }},
			{"KV stored per token", "B", true, func(e *Estimate) float64 { return e.Memory.CacheBytesPerToken }},
			{"KV read per token of context", "B", true, func(e *Estimate) float64 { return e.Memory.CacheReadBytesPerToken }},
			{"window caches per sequence", "B", false, func(e *Estimate) float64 { return e.Memory.WindowCacheBytesPerSequence }},
			{"state per sequence", "B", false, func(e *Estimate) float64 { return e.Memory.StateBytesPerSequence }},
			{"a sequence at full length", "B", false, func(e *Estimate) float64 { return e.Memory.BytesPerSequence }},
			{"workspace", "B", false, func(e *Estimate) float64 { return e.Memory.WorkspaceBytes }},
			{"total", "B", false, func(e *Estimate) float64 { return e.Memory.TotalBytes }},
			{"capacity", "B", false, func(e *Estimate) float64 { return e.Memory.CapacityBytes }},
			{"largest batch", "", true, func(e *Estimate) float64 { return float64(e.Memory.MaxBatch) }},
		}},
		{"prefill", []figure{
			{"time", "s", false, func(e *Estimate) float64 { return e.Prefill.Seconds }},
			{"arithmetic", "FLOP", false, func(e *Estimate) float64 { return e.Prefill.FLOPs }},
			{"moved", "B", false, func(e *Estimate) float64 { return e.Prefill.Bytes }},
		}},
		{"decode", []figure{
			{"first step", "s", false, func(e *Estimate) float64 { return e.Decode.FirstStepSeconds }},
			{"last step", "s", false, func(e *Estimate) float64 { return e.Decode.LastStepSeconds }},
			{"mean step", "s", false, func(e *Estimate) float64 { return e.Decode.MeanStepSeconds }},
			{"tokens per second", "", true, func(e *Estimate) float64 { return e.Decode.TokensPerSecond }},
			{"  at the largest batch", "", true, func(e *Estimate) float64 { return atMax(e) }},
			{"arithmetic per token", "FLOP", false, func(e *Estimate) float64 { return e.Decode.FLOPsPerToken }},
			{"moved per token", "B", false, func(e *Estimate) float64 { return e.Decode.BytesPerToken }},
		}},
		{"request", []figure{
			{"first token (TTFT)", "s", false, func(e *Estimate) float64 { return e.TTFTSeconds }},
			{"each next token (TPOT)", "s", false, func(e *Estimate) float64 { return e.TPOTSeconds }},
			{"whole request", "s", false, func(e *Estimate) float64 { return e.RequestSeconds }},
		}},
	}
}

func atMax(e *Estimate) float64 {
	if e.TokensPerSecondAtMaxBatch == nil {
		return 0
	}
	return *e.TokensPerSecondAtMaxBatch
}

// row writes a figure of all estimates at one scale: its unit, then the numbers.
func (f figure) row(es []*Estimate) (unit string, numbers []string) {
	vs := make([]float64, len(es))
	for i, e := range es {
		vs[i] = f.value(e)
	}
	s := Scale{1, ""}
	switch {
	case f.whole:
	case f.unit == "":
		if s = WholeScaleOf(vs...); s.Factor >= 1e6 {
			unit = map[string]string{"M": "million", "G": "billion", "T": "trillion"}[s.Prefix]
		} else {
			s = Scale{1, ""}
		}
	case f.unit == "B" || f.unit == "FLOP":
		s = WholeScaleOf(vs...)
		unit = s.Prefix + f.unit
	default:
		s = ScaleOf(vs...)
		unit = s.Prefix + f.unit
	}
	if f.whole {
		unit = f.unit
	}
	for _, v := range vs {
		numbers = append(numbers, cell(s, v, f.whole))
	}
	return unit, numbers
}

// cell writes one figure: counts in full, the rest with four digits.
func cell(s Scale, v float64, whole bool) string {
	if v == 0 {
		return "0"
	}
	if whole && v >= 1000 {
		return significant(v, max(4, len(fmt.Sprintf("%.0f", v))))
	}
	n := s.Number(v, 4)
	if whole {
		return trimZeros(n)
	}
	return n
}

// WriteEstimates writes a column for each estimate, as many beside each other as fit the
// line, and the figures in groups.
func WriteEstimates(es []*Estimate) *Document {
	d := &Document{}
	d.Heading(workloadLine(es[0]))
	blockwise(es, estimateTable, d)
	for _, e := range es {
		if len(e.Breakdown) > 0 {
			d.Heading(breakdownTitle(e))
			d.Table(breakdownTable(e.Breakdown))
		}
	}
	d.Paragraph(basisLine(es))
	return d
}

// blockwise puts as many estimates into a table as the line takes.
func blockwise(es []*Estimate, table func([]*Estimate) *Table, d *Document) {
	for len(es) > 0 {
		n := len(es)
		for n > 1 && table(es[:n]).Width() > LineWidth {
			n--
		}
		d.Table(table(es[:n]))
		es = es[n:]
	}
}

func estimateTable(es []*Estimate) *Table {
	t := &Table{Columns: []Column{{Head: "", Words: true}, {Head: "unit", Words: true}}}
	for _, e := range es {
		t.Columns = append(t.Columns, Column{Head: shortName(e.Model)})
	}
	for _, s := range sections() {
		t.Add(s.name)
		for _, f := range s.figures {
			unit, numbers := f.row(es)
			t.Add(append([]string{"  " + f.name, unit}, numbers...)...)
		}
		switch s.name {
		case "memory":
			t.Add(words("  fits", es, fitsWords)...)
		case "decode":
			t.Add(words("  bound by", es, func(e *Estimate) string { return e.Decode.Bound })...)
		}
	}
	if anyInterval(es) {
		t.Add(words("  TPOT, 90 % interval", es, intervalWords)...)
	}
	return t
}

func words(name string, es []*Estimate, word func(*Estimate) string) []string {
	out := []string{name, ""}
	for _, e := range es {
		out = append(out, word(e))
	}
	return out
}

func anyInterval(es []*Estimate) bool {
	for _, e := range es {
		if e.Interval.Low != nil && e.Interval.High != nil {
			return true
		}
	}
	return false
}

func intervalWords(e *Estimate) string {
	if e.Interval.Low == nil || e.Interval.High == nil {
		return "–"
	}
	return SI(*e.Interval.Low, "s") + " – " + SI(*e.Interval.High, "s")
}

func fitsWords(e *Estimate) string {
	if e.Memory.Fits {
		return "yes"
	}
	return "no"
}

// misfit says how much memory is missing, "" where the batch fits.
func misfit(e *Estimate) string {
	if e.Memory.Fits {
		return ""
	}
	return fmt.Sprintf("%s, batch %s: does not fit: %s missing, largest batch %s.",
		e.Model, Count(e.Workload.Batch), SI(e.Memory.MissingBytes, "B"), Count(e.Memory.MaxBatch))
}

// shortName cuts a long model name to what a column takes, keeping both ends.
func shortName(s string) string {
	const most = 40
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most/2]) + "…" + string(r[len(r)-most/2+1:])
}

// workloadLine says what is asked of the estimates. Batches differ under --batch max.
func workloadLine(e *Estimate) string {
	return fmt.Sprintf("%s, batch %s, prompt %s, generate %s", e.Deployment.GPU, Count(e.Workload.Batch),
		Count(e.Workload.Prompt), Count(e.Workload.Generate))
}

// basisLine says how the numbers were made: misfits, fidelity, basis, device, formats.
func basisLine(es []*Estimate) string {
	var parts []string
	for _, e := range es {
		if m := misfit(e); m != "" {
			parts = append(parts, m)
		}
	}
	e := es[0]
	s := fmt.Sprintf("%s on %s (%s), %s", e.Fidelity, e.Hardware, e.Deployment.GPU, e.Basis)
	if e.Deployment.TP > 1 {
		s += fmt.Sprintf(", %d devices (memory and times per device)", e.Deployment.TP)
	}
	s += "; " + formatsLine(es) + fmt.Sprintf("; prefill %s, KV read %s", e.Deployment.Prefill, e.Deployment.KVRead)
	return strings.Join(append(parts, s+"."), " ")
}

// formatsLine names the formats once where all agree.
func formatsLine(es []*Estimate) string {
	same := true
	for _, e := range es {
		same = same && e.Deployment.Formats == es[0].Deployment.Formats
	}
	if same {
		return es[0].Deployment.Formats
	}
	var parts []string
	for _, e := range es {
		parts = append(parts, e.Model+": "+e.Deployment.Formats)
	}
	return strings.Join(parts, "; ")
}

// WriteEstimatesJSON writes one estimate as an object, several as a list.
func WriteEstimatesJSON(w io.Writer, es []*Estimate) error {
	if len(es) == 1 {
		return WriteJSON(w, es[0])
	}
	return WriteJSON(w, es)
}

// NewEstimate names what the cost model computed.
func NewEstimate(c *costmodel.Compiled, e costmodel.Estimate) *Estimate {
	o := c.Options
	return &Estimate{
		Model: c.Model.Name, Hardware: c.Hardware.Name, Fidelity: e.Fidelity.String(), Basis: e.Basis,
		Workload: e.Workload,
		Deployment: Deployment{Formats: c.Formats(), TP: c.TP(), Prefill: o.Prefill.String(), KVRead: o.KVRead.String(),
			DiffKernel: o.Diff.String(), GPU: c.Hardware.Title},
		Params: c.Model.Params(), Memory: e.Memory, Prefill: e.Prefill, Decode: e.Decode,
		TTFTSeconds: e.TTFTSeconds, TPOTSeconds: e.TPOTSeconds, RequestSeconds: e.RequestSeconds, Interval: e.Interval,
		Parts: c.Breakdown(e.Workload),
	}
}
