package reports

import (
	"encoding/json"
	"io"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/study"
)

// WriteJSON writes v indented and ends with a newline.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// EstimateJSON is an estimate as the command line prints it. Its fields are stable: new ones are
// added, but none is renamed. Units are bytes, seconds, FLOPs and tokens.
type EstimateJSON struct {
	Model    string                   `json:"model"`
	Hardware string                   `json:"hardware"`
	Fidelity string                   `json:"fidelity"`
	Basis    string                   `json:"basis"`
	Formats  string                   `json:"formats"`
	TP       int                      `json:"tp"`
	Devices  int                      `json:"devices"` // of all pipeline stages and groups together
	Workload costmodel.Workload       `json:"workload"`
	Params   ParamsJSON               `json:"params"`
	Memory   costmodel.Memory         `json:"memory"`
	Prefill  costmodel.PrefillSummary `json:"prefill"`
	// Transfer is what has to be sent after a prompt, where another device decodes it.
	Transfer costmodel.Transfer `json:"transfer"`
	Decode   costmodel.Decode   `json:"decode"`
	// TokensPerSecondPerDevice is the throughput of decoding divided by the devices, where there are several.
	TokensPerSecondPerDevice float64            `json:"tokens_per_second_per_device,omitempty"`
	TTFTSeconds              float64            `json:"ttft_seconds"`
	TPOTSeconds              float64            `json:"tpot_seconds"`
	RequestSeconds           float64            `json:"request_seconds"`
	Interval                 costmodel.Interval `json:"interval"`
	// The next fields belong to calibrated estimates.

	// Engine names the serving engine whose overhead the times include.
	Engine            string        `json:"engine,omitempty"`
	ServedTPOTSeconds float64       `json:"served_tpot_seconds,omitempty"`
	Roofline          *RooflineJSON `json:"roofline,omitempty"`

	Breakdown []OpJSON `json:"breakdown,omitempty"`
	// Speculative is the workload with speculative decoding, where that was asked for.
	Speculative *costmodel.Speculative `json:"speculative,omitempty"`
	// WeightsByFormat is how many bytes a quantised checkpoint's weights take in each format, on
	// all devices together.
	WeightsByFormat []arch.Share `json:"weights_by_format,omitempty"`
	// Parallel is how pipeline stages, groups of devices and spread experts share the work;
	// absent where one device does all of it.
	Parallel *costmodel.Parallel `json:"parallel,omitempty"`
	// Warnings are what a reader should know before using the figures.
	Warnings []string `json:"warnings,omitempty"`
}

// RooflineJSON holds the times of a workload at roofline, in seconds.
type RooflineJSON struct {
	TTFTSeconds     float64 `json:"ttft_seconds"`
	TPOTSeconds     float64 `json:"tpot_seconds"`
	TokensPerSecond float64 `json:"tokens_per_second"`
}

// ParamsJSON counts a model's parameters.
type ParamsJSON struct {
	Total        int64 `json:"total"`
	Embedding    int64 `json:"embedding"`
	NonEmbedding int64 `json:"non_embedding"`
	Active       int64 `json:"active"`
}

// OpJSON is one operation of a mean decode step.
type OpJSON struct {
	Operation string             `json:"operation"`
	Detail    string             `json:"detail,omitempty"`
	Class     string             `json:"class"`
	Layers    int                `json:"layers"`
	Seconds   float64            `json:"seconds"`
	Share     float64            `json:"share"`
	FLOPs     float64            `json:"flops"`
	Bytes     float64            `json:"bytes"`
	BytesBy   map[string]float64 `json:"bytes_by_kind"`
	Intensity float64            `json:"flops_per_byte"`
	Ridge     float64            `json:"ridge_flops_per_byte"`
	Bound     string             `json:"bound"`
	Fitted    float64            `json:"calibrated_seconds,omitempty"`
}

func paramsJSON(m *arch.Model) ParamsJSON {
	p := m.Params()
	return ParamsJSON{p.Total, p.Embedding, p.NonEmbedding, m.ActiveParams().Total}
}

// Estimate makes the JSON of one deployment. ops are its operations at roofline, and fitted are
// the same operations with calibrated times; both may be nil.
func Estimate(row costmodel.Row, ops, fitted []costmodel.OpCost) EstimateJSON {
	c, e := row.Compiled, row.Estimate
	j := EstimateJSON{Model: c.Model.Name, Hardware: c.Hardware.Name, Fidelity: e.Fidelity.String(), Basis: e.Basis,
		Formats: c.Formats(), TP: c.TP(), Devices: c.Devices(), Workload: e.Workload, Params: paramsJSON(c.Model), Memory: e.Memory,
		Prefill: e.Prefill, Transfer: e.Transfer, Speculative: row.Speculative, Decode: e.Decode, TTFTSeconds: e.TTFT(), TPOTSeconds: e.TPOT(),
		RequestSeconds: e.RequestSeconds, Interval: e.Interval}
	j.Engine, j.ServedTPOTSeconds = e.Engine, e.ServedTPOTSeconds
	j.WeightsByFormat, j.Parallel = c.Stored(), e.Parallel
	if n := c.Devices(); n > 1 {
		j.TokensPerSecondPerDevice = e.Decode.TokensPerSecond / float64(n)
	}
	if s := BeyondContext(c, e.Workload); s != "" {
		j.Warnings = append(j.Warnings, s)
	}
	if r := row.Roofline; r != nil {
		j.Roofline = &RooflineJSON{r.TTFT(), r.TPOT(), r.Decode.TokensPerSecond}
	}
	for i, o := range ops {
		by := map[string]float64{}
		for k, b := range o.Bytes {
			if b > 0 {
				by[costmodel.Kind(k).String()] = b
			}
		}
		seconds := 0.0
		if fitted != nil {
			seconds = fitted[i].Seconds
		}
		j.Breakdown = append(j.Breakdown, OpJSON{o.Name, o.Detail, o.Class.String(), o.Layers, o.Seconds, o.Share, o.FLOPs, o.Total(), by, o.Intensity, o.Ridge, o.Bound.String(), seconds})
	}
	return j
}

// CompareJSON is a comparison of models.
type CompareJSON struct {
	Baseline string    `json:"baseline"`
	Verdict  string    `json:"verdict"`
	Faster   string    `json:"faster,omitempty"` // a sentence that says from which context on a model decodes faster than the first
	Rows     []RowJSON `json:"rows"`
}

// RowJSON is one model of a comparison.
type RowJSON struct {
	EstimateJSON
	TokensPerSecondAtMaxBatch float64 `json:"tokens_per_second_at_max_batch"`
	Speedup                   float64 `json:"speedup"`
	// Cost is what the row's devices cost, where prices were given.
	Cost *CostJSON `json:"cost,omitempty"`
	// Served is how the model does under a simulated load, where one was asked for.
	Served *study.ServedFigures `json:"served,omitempty"`
}

// Compare makes the JSON of a comparison.
func Compare(rows []costmodel.Row) CompareJSON {
	j := CompareJSON{Baseline: rows[0].Compiled.Model.Name, Verdict: Verdict(rows)}
	for _, r := range rows {
		j.Rows = append(j.Rows, RowJSON{EstimateJSON: Estimate(r, nil, nil), TokensPerSecondAtMaxBatch: r.TokensPerSecondAtMax, Speedup: r.Speedup})
	}
	return j
}

// ModelJSON describes a model.
type ModelJSON struct {
	Name     string      `json:"name"`
	Family   string      `json:"family,omitempty"`
	Layout   string      `json:"layout"`
	DModel   int         `json:"d_model"`
	Vocab    int         `json:"vocab"`
	Tied     bool        `json:"tied"`
	GMURatio *float64    `json:"gmu_ratio"`
	Layers   []LayerJSON `json:"layers"`
	Params   struct {
		ParamsJSON
		CountingForm *int64           `json:"counting_form"`
		Parts        map[string]int64 `json:"parts"`
	} `json:"params"`
	MaxContext int `json:"max_context,omitempty"`
	// MTP is how many blocks of multi-token prediction the model's checkpoint has. They are not
	// counted in any other field.
	MTP int `json:"mtp,omitempty"`
	// WeightsByFormat is how many bytes a quantised checkpoint's weights take in each format.
	WeightsByFormat []arch.Share `json:"weights_by_format,omitempty"`
	Notes           []string     `json:"notes,omitempty"`
}

// LayerJSON is a layer. Its references are the 0-based numbers of other layers, or null.
type LayerJSON struct {
	Mixer         string `json:"mixer"`
	FFN           string `json:"ffn"`
	ReadsCacheOf  *int   `json:"reads_cache_of"`
	ReadsMemoryOf *int   `json:"reads_memory_of"`
	// UsesWeightsOf is the layer that stores the weights which this layer's shared block uses;
	// absent where the layer stores its own.
	UsesWeightsOf *int `json:"uses_weights_of,omitempty"`
	// TakesPicksOf is the layer whose indexer picked the positions that this one sees, absent where it has its own or none.
	TakesPicksOf *int `json:"takes_picks_of,omitempty"`
}

// Model makes the JSON of a model.
func Model(m *arch.Model) ModelJSON {
	j := ModelJSON{Name: m.Name, Family: m.Family, Layout: m.Summary(), DModel: m.Width, Vocab: m.Vocab, Tied: m.Tied, Notes: m.Notes}
	j.MaxContext, j.MTP = m.MaxContext, m.MTP
	if m.Quantised() {
		j.WeightsByFormat = m.StoredShares()
	}
	if r, ok := m.GMURatio(); ok {
		j.GMURatio = &r
	}
	for _, l := range m.Layers {
		x := LayerJSON{Mixer: l.MixerName(), FFN: l.FFNName()}
		if l.Mixer != nil {
			r := l.Mixer.Reads()
			x.ReadsCacheOf, x.ReadsMemoryOf, x.UsesWeightsOf, x.TakesPicksOf = layer(r.Cache), layer(r.Memory), layer(r.Weights), layer(r.Picks)
		}
		j.Layers = append(j.Layers, x)
	}
	j.Params.ParamsJSON = paramsJSON(m)
	p := m.Params()
	j.Params.Parts = map[string]int64{"norms": p.Norms}
	for _, part := range append(p.Mixers, p.FFNs...) {
		j.Params.Parts[part.Kind] += part.Params
	}
	if m.CountingForm > 0 {
		j.Params.CountingForm = &m.CountingForm
	}
	return j
}

// layer is the number of the layer that a reference points at, nil where it points nowhere.
func layer(r arch.Ref) *int {
	s, ok := r.Layer()
	if !ok {
		return nil
	}
	return &s
}
