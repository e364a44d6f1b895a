// Package study measures what figures show: series of plain numbers in units without prefixes
// (seconds, bytes, FLOP/s, tokens/s). Each point has the batch at which it was priced, whether
// that batch fits the device, and a 90 % interval where the fidelity has one. Package
// reports/figure draws these numbers, the command line writes them as CSV or JSON, and a web page
// can use them as they are.
package study

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
)

// Form says how a panel is meant to be drawn.
type Form string

// The forms that a panel can have.
const (
	Curves   Form = "curves"   // y over x, a line or cloud for each series
	Bars     Form = "bars"     // a stacked bar for each series; its points are the parts, with their names
	Grid     Form = "grid"     // a series for each row of cells; X is the column, Y the row, Value the number in the cell
	Roofline Form = "roofline" // operations as points under the roofs of devices
)

// Scale says how an axis maps values to places.
type Scale string

// The scales that an axis can have.
const (
	Linear Scale = "linear"
	Log10  Scale = "log10"
	Log2   Scale = "log2" // logarithmic, marked at powers of two
)

// Chart holds the numbers of one figure.
type Chart struct {
	Kind     string   `json:"kind"`
	Title    string   `json:"title"`
	Setting  []string `json:"setting"` // what the numbers assume, one phrase each
	Alt      string   `json:"alt"`     // describes the figure to those who cannot see it
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

// Axis says what an axis measures. Values are in Unit, without a prefix.
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
	// Fidelity is the fidelity of the series' times, where the other series may have another one.
	Fidelity string `json:"fidelity,omitempty"`
	// Cloud says that points are not joined by a line; Bare that a line has no markers.
	Cloud bool `json:"cloud,omitempty"`
	Bare  bool `json:"bare,omitempty"`
	// Extra is written below the name in the label at the end of the line.
	Extra  string  `json:"extra,omitempty"`
	Points []Point `json:"points"`
}

// Point is one measured value.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
	// Low and High bound 90 % of measurements of Y; they are nil where nothing was measured.
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
	// Value is the number in a grid's cell.
	Value float64 `json:"value,omitempty"`
	Name  string  `json:"name,omitempty"`  // the operation or part that the point shows
	Class string  `json:"class,omitempty"` // for an operation: what its kernel does, and the part of a decoder it belongs to
	Share float64 `json:"share,omitempty"` // share of the whole bar, from 0 to 1
	Batch int     `json:"batch,omitempty"`
	// Fits says whether the batch fits the device. Figures draw points that do not fit as not
	// real.
	Fits bool `json:"fits"`
}

// Level is a horizontal line, such as a device's capacity.
type Level struct {
	Name string  `json:"name"`
	Y    float64 `json:"y"`
}

// Row is a point with all that is needed to understand it alone: one line of CSV.
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

// Rows lists the points of all panels of a chart.
func (c *Chart) Rows() []Row {
	var out []Row
	for _, p := range c.Panels {
		for _, s := range p.Series {
			f := cmp.Or(s.Fidelity, c.Fidelity)
			if c.Fidelity == "" {
				f = "" // what is counted has no fidelity
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

// Empty reports whether a panel has no points.
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

// misfits reports whether any point of a chart does not fit its device.
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

// banded reports whether any point has an interval.
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

// MostSeries is how many lines one can tell apart in a figure of models; a figure with more is
// refused.
const MostSeries = 16

// Setup is what figures about models are measured from: models compiled for devices, each pair
// once, all under one load.
type Setup struct {
	Compiled []*costmodel.Compiled
	Fidelity costmodel.Fidelity
	Load     costmodel.Workload // a Batch of 0 stands for the largest that fits
	// Price is what an hour of one device costs in USD, by the device's name.
	Price map[string]float64
	// PriceFrom says where prices come from, for tables that show costs.
	PriceFrom []string
	// Speculation is what drafts tokens for a model to verify; nothing for one that is not in
	// it. Comparisons and simulated loads have it, figures do not.
	Speculation map[*costmodel.Compiled]*costmodel.Speculation
	// Serve is a load under which the models are simulated; nil for no simulation.
	Serve *UnderLoad
}

// Fidelities lists the fidelities at which models are priced, the coarsest first. There is one,
// unless the user named none and devices differ in the best fidelity they have.
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

// fidelities names the fidelities.
func (s *Setup) fidelities() string {
	var names []string
	for _, f := range s.Fidelities() {
		names = append(names, f.String())
	}
	return strings.Join(names, ", ")
}

// Kinds lists the kinds of figures about models.
func Kinds() []string {
	return []string{"throughput", "tpot", "ttft", "memory", "breakdown", "roofline", "gmu-ratio", "speedup", "served", "cost"}
}

// Measure measures a figure of one of the kinds that Kinds lists.
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
