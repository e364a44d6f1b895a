package advise

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/units"
)

// Knobs lists what Choose can change: the share of GMUs in the cross-decoder, the sliding window,
// and the number of kv heads.
func Knobs() []string { return []string{"gmu_ratio", "window", "kv_heads"} }

// Choice holds a design at every value of a knob, beginning with the value that keeps most of the
// attention and ending with the one that reads least.
type Choice struct {
	Model    string             `json:"model"`
	Knob     string             `json:"knob"`
	Hardware string             `json:"hardware"`
	Fidelity string             `json:"fidelity"`
	Basis    string             `json:"basis"`
	Workload costmodel.Workload `json:"workload"`
	Rows     []Chosen           `json:"rows"`
	Knee     *float64           `json:"knee"`                  // the value after which all further values together gain less than 5 %; null where the last one still gains more
	Advised  *float64           `json:"advised"`               // the fastest value within what the sources recommend; null if they recommend none
	Sources  string             `json:"sources"`               // what the sources say about quality
	Verdict  string             `json:"verdict"`               // the answer in sentences
	Current  *float64           `json:"current_value"`         // the value that the design has; null where its layers differ, or where it is not one of the values tried
	Layers   int                `json:"cross_layers,omitzero"` // for a ratio: the number of layers that it is a share of
}

// Chosen is the design at one value of the knob.
type Chosen struct {
	Value                     float64 `json:"value"`
	Current                   bool    `json:"current"`     // whether this is the value that the design has
	Recommended               bool    `json:"recommended"` // whether the sources recommend this value
	Fits                      bool    `json:"fits"`
	Batch                     int     `json:"batch"`
	TPOTSeconds               float64 `json:"tpot_seconds"`
	TTFTSeconds               float64 `json:"ttft_seconds"`
	TokensPerSecond           float64 `json:"tokens_per_second"`
	TokensPerSecondAtMaxBatch float64 `json:"tokens_per_second_at_max_batch"`
	MaxBatch                  int     `json:"max_batch"`
	CacheReadBytesPerToken    float64 `json:"cache_read_bytes_per_token"`
	BytesPerSequence          float64 `json:"bytes_per_sequence"`
	Params                    int64   `json:"params"`
}

// knob is one way to change a design.
type knob struct {
	values  func(*arch.Model, costmodel.Workload) []float64
	text    func(float64) string // writes a value in words
	current func(*arch.Model) (float64, bool)
	within  func(float64) bool // whether the sources recommend a value; nil where they say nothing
	sources string
	missing string // why the knob does not apply to a model
}

func knobOf(name string) (knob, error) {
	switch name {
	case "gmu_ratio":
		return knob{
			values: ratios, text: func(v float64) string { return "a GMU ratio of " + strconv.FormatFloat(v, 'g', 3, 64) },
			current: (*arch.Model).GMURatio,
			within:  func(v float64) bool { return v >= leastRatio && v <= mostRatio },
			sources: "For quality the card recommends 40 to 60 % of GMUs: more degrades reasoning, fewer waste efficiency; the paper trains 50 %",
			missing: "it has no cross-decoder whose layers could be GMUs",
		}, nil
	case "window":
		return knob{
			values: windows, text: func(v float64) string { return "a window of " + units.Int(v) },
			current: func(m *arch.Model) (float64, bool) {
				return same(m, func(a arch.Attention) int { return a.Window })
			},
			within:  func(v float64) bool { return v == recommendedWindow },
			sources: fmt.Sprintf("For quality the card recommends a window of %d; the smallest that the paper trained is %d", recommendedWindow, smallestWindow),
			missing: "no layer of it has a window",
		}, nil
	case "kv_heads":
		return knob{
			values: kvHeads, text: func(v float64) string {
				if v == 1 {
					return "one kv head"
				}
				return units.Int(v) + " kv heads"
			},
			current: func(m *arch.Model) (float64, bool) {
				return same(m, func(a arch.Attention) int { return a.KVHeads })
			},
			sources: "No source here says what fewer kv heads cost in quality",
			missing: "no layer of it has kv heads to share",
		}, nil
	}
	return knob{}, fmt.Errorf("%q is not one of %s", name, strings.Join(Knobs(), ", "))
}

// same returns a size that all attention layers with that size agree on.
func same(m *arch.Model, of func(arch.Attention) int) (float64, bool) {
	size := 0
	for _, a := range m.Attentions() {
		switch n := of(a); {
		case n <= 0:
		case size == 0:
			size = n
		case n != size:
			return 0, false
		}
	}
	return float64(size), size > 0
}

// ratios lists all shares of GMUs that a cross-decoder can have.
func ratios(m *arch.Model, _ costmodel.Workload) []float64 {
	n := m.CrossMixers()
	if n == 0 {
		return nil
	}
	var vs []float64
	for k := 0; k <= n; k++ {
		vs = append(vs, float64(k)/float64(n))
	}
	return vs
}

// windows lists powers of two up to the longest context, and the window that the model has, the
// largest first.
func windows(m *arch.Model, w costmodel.Workload) []float64 {
	now, ok := same(m, func(a arch.Attention) int { return a.Window })
	if !ok {
		any := false
		for _, a := range m.Attentions() {
			any = any || a.Window > 0
		}
		if !any {
			return nil
		}
	}
	var vs []float64
	for v := math.Exp2(math.Floor(math.Log2(float64(max(w.Prompt+w.Generate, 64))))); v >= 64; v /= 2 {
		if ok && now < v*2 && now > v {
			vs = append(vs, now)
		}
		vs = append(vs, v)
	}
	return vs
}

// kvHeads lists the numbers that divide the query heads of every attention layer, the largest
// first.
func kvHeads(m *arch.Model, _ costmodel.Workload) []float64 {
	heads := 0
	for _, a := range m.Attentions() {
		heads = gcd(heads, a.Heads)
	}
	var vs []float64
	for n := heads; n >= 1; n-- {
		if heads%n == 0 {
			vs = append(vs, float64(n))
		}
	}
	return vs
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// enough is the gain below which it is not worth going through the remaining values.
const enough = 1.05

// Choose prices the design at every value of a knob. It leaves out values with which the design
// is no valid model or cannot be split over the devices.
func Choose(ctx context.Context, o Options, name string) (*Choice, error) {
	k, err := knobOf(name)
	if err != nil {
		return nil, err
	}
	c := &Choice{Model: o.Model.Name, Knob: name, Hardware: o.Hardware.Name, Fidelity: o.Fidelity.String(), Workload: o.Load, Sources: k.sources}
	now, has := k.current(o.Model)
	if has {
		c.Current = &now
	}
	if name == "gmu_ratio" {
		c.Layers = o.Model.CrossMixers()
	}
	for _, v := range k.values(o.Model, o.Load) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := family.Adjust(o.Model, name, strconv.FormatFloat(v, 'g', -1, 64))
		if err != nil {
			continue
		}
		compiled, err := costmodel.Compile(m, o.Hardware, o.Deploy)
		if err != nil {
			continue
		}
		load, _ := compiled.Fill(o.Load)
		e, err := compiled.Estimate(o.Fidelity, load)
		if err != nil {
			return nil, err
		}
		row := Chosen{Value: v, Current: has && v == now, Recommended: k.within != nil && k.within(v), Fits: e.Memory.Fits,
			Batch: load.Batch, TPOTSeconds: e.TPOT(), TTFTSeconds: e.TTFT(), TokensPerSecond: e.Decode.TokensPerSecond,
			MaxBatch: e.Memory.MaxBatch, CacheReadBytesPerToken: e.Memory.CacheReadBytesPerToken, BytesPerSequence: e.Memory.BytesPerSequence,
			Params: m.Params().Total}
		if most := load.WithBatch(e.Memory.MaxBatch); most.Batch > 0 {
			row.TokensPerSecondAtMaxBatch = float64(most.Batch) * float64(most.Generate) / compiled.At(o.Fidelity).Generation(most)
		}
		c.Basis = e.Basis
		c.Rows = append(c.Rows, row)
	}
	if len(c.Rows) == 0 {
		return nil, fmt.Errorf("%s: %s", o.Model.Name, k.missing)
	}
	c.judge(k)
	return c, nil
}

// judge finds the knee and the value to take among the values that fit, and puts both into words.
// Where none fits it weighs all of them, and says so.
func (c *Choice) judge(k knob) {
	rows := slices.DeleteFunc(slices.Clone(c.Rows), func(r Chosen) bool { return !r.Fits })
	var misfits string
	switch {
	case len(rows) == 0:
		rows, misfits = c.Rows, "None of these fits the device at this batch: times are as if it did"
	case len(rows) < len(c.Rows):
		misfits = fmt.Sprintf("%d of the %d values do not fit the device at this batch and are left out of what follows", len(c.Rows)-len(rows), len(c.Rows))
	}
	last := rows[len(rows)-1]
	for _, r := range rows[:len(rows)-1] {
		if last.TokensPerSecond/r.TokensPerSecond < enough {
			c.Knee = &r.Value
			break
		}
	}
	var best *Chosen
	for i, r := range c.Rows {
		if r.Recommended && r.Fits && (best == nil || r.TokensPerSecond > best.TokensPerSecond) {
			best = &c.Rows[i]
		}
	}
	first := rows[0]
	var say []string
	if misfits != "" {
		say = append(say, misfits)
	}
	if len(rows) > 1 {
		say = append(say, fmt.Sprintf("From %s to %s, tokens a second go from %s to %s (%s as many)", k.text(first.Value), k.text(last.Value),
			units.Int(first.TokensPerSecond), units.Int(last.TokensPerSecond), units.Ratio(last.TokensPerSecond/first.TokensPerSecond)))
	} else {
		say = append(say, fmt.Sprintf("With %s it makes %s tokens a second", k.text(first.Value), units.Int(first.TokensPerSecond)))
	}
	switch {
	case c.Knee != nil && *c.Knee == first.Value:
		say = append(say, "Nowhere on the way is there as much as 5 % to gain: choose by quality, and by how many sequences fit")
	case c.Knee != nil:
		say = append(say, fmt.Sprintf("The knee is at %s: all that follows gains less than 5 %%", k.text(*c.Knee)))
	case len(rows) > 1:
		before := rows[len(rows)-2]
		say = append(say, fmt.Sprintf("There is no knee: the last step, from %s to %s, still gains %.0f %%", k.text(before.Value), k.text(last.Value), 100*(last.TokensPerSecond/before.TokensPerSecond-1)))
	}
	say = append(say, k.sources)
	if best != nil {
		c.Advised = &best.Value
		s := fmt.Sprintf("Of what they recommend, %s is the fastest, with %s tokens a second", k.text(best.Value), units.Int(best.TokensPerSecond))
		for _, r := range c.Rows {
			if r.Current && r.Value == best.Value {
				s += ", and is what the design has"
			} else if r.Current {
				s += fmt.Sprintf(": %s as many as the design makes as it is, with %s", units.Ratio(best.TokensPerSecond/r.TokensPerSecond), k.text(r.Value))
			}
		}
		say = append(say, s)
	} else if k.within != nil {
		say = append(say, "None of the values that they recommend can be had here")
	}
	c.Verdict = strings.Join(say, ". ") + "."
}

// Apply returns the design with a knob at a value, as a model file with a name of its own. said
// is a sentence where the value could not be met exactly.
func Apply(m *arch.Model, name, value string) (yaml, said string, err error) {
	if _, err := knobOf(name); err != nil {
		return "", "", err
	}
	changed, err := family.Adjust(m, name, value)
	if err != nil {
		return "", "", err
	}
	got := value
	if name == "gmu_ratio" {
		asked, _ := units.ParseNumber(value)
		r, _ := changed.GMURatio()
		got = strconv.FormatFloat(r, 'g', 3, 64)
		if math.Abs(r-asked) > 1e-9 {
			n := changed.CrossMixers()
			said = fmt.Sprintf("a GMU ratio of %s cannot be had with %d layers: %.0f of them, %s, are GMUs", value, n, r*float64(n), got)
		}
	}
	base, _, _ := strings.Cut(m.Name, "(")
	changed.Name = fmt.Sprintf("%s-%s-%s", strings.Trim(base, "-"), strings.ReplaceAll(name, "_", "-"), got)
	var b bytes.Buffer
	if err := modelfile.Write(&b, changed); err != nil {
		return "", "", err
	}
	return b.String(), said, nil
}
