// Package study measures what figures show: series of plain numbers in base units (seconds,
// bytes, FLOP/s, tokens/s), each point with the batch it was priced at, whether that batch
// fits the device, and a 90 % interval where the fidelity has one. Drawing them is
// reports/figure's work, writing them as CSV or JSON that of the command line, and a web
// page can take the same numbers.
package study

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
)

// Form is how a panel is meant to be drawn.
type Form string

// The forms.
const (
	Curves   Form = "curves"   // y over x, a line or cloud for each series
	Bars     Form = "bars"     // a stacked bar for each series; points are its parts, by name
	Grid     Form = "grid"     // a series for each row of cells; y is the row, value the cell
	Roofline Form = "roofline" // operations as points under the roofs of devices
)

// Scale is how an axis runs.
type Scale string

// The scales.
const (
	Linear Scale = "linear"
	Log10  Scale = "log10"
	Log2   Scale = "log2" // marked at powers of two
)

// Chart is the numbers of one figure.
type Chart struct {
	Kind     string   `json:"kind"`
	Title    string   `json:"title"`
	Setting  []string `json:"setting"` // what the numbers stand on, phrase by phrase
	Alt      string   `json:"alt"`     // what is seen, for those who cannot see it
	Fidelity string   `json:"fidelity,omitempty"`
	Panels   []Panel  `json:"panels"`
}

// Panel is one set of axes.
type Panel struct {
	Form    Form     `json:"form"`
	Heading string   `json:"heading,omitempty"`
	X       Axis     `json:"x"`
	Y       Axis     `json:"y"`
	Series  []Series `json:"series"`
	Levels  []Level  `json:"levels,omitempty"`
}

// Axis says what is measured along it. Values are in Unit, without a prefix.
type Axis struct {
	Label    string `json:"label"`
	Unit     string `json:"unit,omitempty"`
	Scale    Scale  `json:"scale"`
	FromZero bool   `json:"from_zero,omitempty"`
}

// Series is one line, cloud, bar or row of cells.
type Series struct {
	Name   string `json:"name"`
	Model  string `json:"model,omitempty"`
	Device string `json:"device,omitempty"`
	Basis  string `json:"basis,omitempty"`
	// Fidelity is that of its times where it may be another than other series have.
	Fidelity string `json:"fidelity,omitempty"`
	// Cloud says that points are not to be joined, Bare that a line has no markers.
	Cloud bool `json:"cloud,omitempty"`
	Bare  bool `json:"bare,omitempty"`
	// Extra is what a label at the end of the line says below the name.
	Extra  string  `json:"extra,omitempty"`
	Points []Point `json:"points"`
}

// Point is a measured place.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
	// Low and High bound 90 % of measurements of Y; nil without measurements behind them.
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
	// Value is the figure of a grid's cell.
	Value float64 `json:"value,omitempty"`
	Name  string  `json:"name,omitempty"`  // of an operation or a part
	Class string  `json:"class,omitempty"` // of an operation: what its kernel does, and the part of a decoder it is in
	Share float64 `json:"share,omitempty"` // of the whole
	Batch int     `json:"batch,omitempty"`
	// Fits says whether the batch fits the device; figures draw the rest as not real.
	Fits bool `json:"fits"`
}

// Level is a line at one height, such as a capacity.
type Level struct {
	Name string  `json:"name"`
	Y    float64 `json:"y"`
}

// Row is a point with everything needed to read it alone: a line of CSV.
type Row struct {
	Figure   string   `json:"figure"`
	Panel    string   `json:"panel"`
	Series   string   `json:"series"`
	Model    string   `json:"model"`
	Device   string   `json:"device"`
	Point    string   `json:"point"`
	XName    string   `json:"x_name"`
	X        float64  `json:"x"`
	XUnit    string   `json:"x_unit"`
	YName    string   `json:"y_name"`
	Y        float64  `json:"y"`
	YUnit    string   `json:"y_unit"`
	Low      *float64 `json:"low"`
	High     *float64 `json:"high"`
	Value    float64  `json:"value"`
	Share    float64  `json:"share"`
	Batch    int      `json:"batch"`
	Fits     bool     `json:"fits"`
	Fidelity string   `json:"fidelity"`
	Basis    string   `json:"basis"`
}

// Rows lists every point of a chart.
func (c *Chart) Rows() []Row {
	var out []Row
	for _, p := range c.Panels {
		for _, s := range p.Series {
			f := cmp.Or(s.Fidelity, c.Fidelity)
			if c.Fidelity == "" {
				f = "" // counted, not timed
			}
			for _, q := range s.Points {
				out = append(out, Row{Figure: c.Kind, Panel: p.Heading, Series: s.Name, Model: s.Model, Device: s.Device, Point: q.Name,
					XName: p.X.Label, X: q.X, XUnit: p.X.Unit, YName: p.Y.Label, Y: q.Y, YUnit: p.Y.Unit, Low: q.Low, High: q.High,
					Value: q.Value, Share: q.Share, Batch: q.Batch, Fits: q.Fits, Fidelity: f, Basis: s.Basis})
			}
		}
	}
	return out
}

// Empty reports whether some panel has no point.
func (c *Chart) Empty() bool {
	for _, p := range c.Panels {
		n := 0
		for _, s := range p.Series {
			n += len(s.Points)
		}
		if n == 0 {
			return true
		}
	}
	return len(c.Panels) == 0
}

// misfits reports whether some point of a chart does not fit its device.
func (c *Chart) misfits() bool {
	for _, p := range c.Panels {
		for _, s := range p.Series {
			for _, q := range s.Points {
				if !q.Fits {
					return true
				}
			}
		}
	}
	return false
}

// banded reports whether some point has an interval.
func (c *Chart) banded() bool {
	for _, p := range c.Panels {
		for _, s := range p.Series {
			for _, q := range s.Points {
				if q.Low != nil {
					return true
				}
			}
		}
	}
	return false
}

// MostSeries is how many lines a figure of models tells apart; more are refused.
const MostSeries = 16

// Setup is what the figures about models are measured from: models compiled for devices,
// each pair once, under one load.
type Setup struct {
	Compiled []*costmodel.Compiled
	Fidelity costmodel.Fidelity
	Load     costmodel.Workload // Batch 0: the largest that fits
	// Price is the dollars an hour of one device costs, by the device's name.
	Price map[string]float64
	// PriceFrom says where prices are from, for tables that cost is added to.
	PriceFrom []string
	// Speculation is what drafts tokens for a model to verify; nothing for one that is not in
	// it. Comparisons and simulated loads have it, figures do not.
	Speculation map[*costmodel.Compiled]*costmodel.Speculation
	// Serve is a load to simulate the models under; nil for none.
	Serve *UnderLoad
}

// Fidelities lists the fidelities that models are priced at, coarsest first: one, or where
// nobody asked for one and devices differ, each device's.
func (s *Setup) Fidelities() []costmodel.Fidelity {
	var out []costmodel.Fidelity
	for _, c := range s.Compiled {
		if f := c.Fidelity(s.Fidelity); !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

// fidelities is Fidelities in words.
func (s *Setup) fidelities() string {
	var names []string
	for _, f := range s.Fidelities() {
		names = append(names, f.String())
	}
	return strings.Join(names, ", ")
}

// Kinds lists the figures about models.
func Kinds() []string {
	return []string{"throughput", "tpot", "ttft", "memory", "breakdown", "roofline", "gmu-ratio", "speedup", "served", "cost"}
}

// Measure measures a figure of a kind that Kinds lists.
func (s *Setup) Measure(kind string) (*Chart, error) {
	if len(s.Compiled) == 0 {
		return nil, fmt.Errorf("%s: there is no model to measure", kind)
	}
	if len(s.Compiled) > MostSeries {
		return nil, fmt.Errorf("%d models and devices: a figure tells no more than %d apart", len(s.Compiled), MostSeries)
	}
	switch kind {
	case "throughput":
		return s.Throughput(), nil
	case "tpot":
		return s.TPOT(), nil
	case "ttft":
		return s.TTFT()
	case "memory":
		return s.Memory(), nil
	case "breakdown":
		return s.Breakdown(), nil
	case "roofline":
		return s.Roofline()
	case "gmu-ratio":
		return s.GMURatio()
	case "speedup":
		return s.Speedup()
	case "served":
		return s.Served()
	case "cost":
		return s.Cost()
	}
	return nil, fmt.Errorf("no figure is called %q (know %s)", kind, strings.Join(Kinds(), ", "))
}
