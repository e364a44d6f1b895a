package study

import (
	"fmt"
	"slices"

	"github.com/OWNER/ridgeline/claims"
)

// PaperFigures lists the figures of the paper that Paper can redraw.
func PaperFigures() []string { return []string{"figure-4", "figure-9"} }

// Paper redraws the paper's Figure 4 (latency against throughput) or Figure 9 (latency against
// tokens generated) from simulations, with one panel for each load and engine.
func Paper(figure string, curves []claims.Curve, device, fidelity string) (*Chart, error) {
	c := &Chart{Kind: figure, Fidelity: fidelity}
	today := ""
	for _, k := range curves {
		if k.Engine != curves[0].Engine {
			today = k.Title
		}
	}
	x := Axis{Label: "throughput", Unit: "tok/s", Scale: Linear, FromZero: true}
	y := Axis{Label: "mean latency", Unit: "s", Scale: Log10}
	setting := []string{"one " + device, "lengths normal, standard deviation 30 %"}
	switch figure {
	case "figure-4":
		c.Title = "The paper's Figure 4, simulated: latency against throughput at 1, 2, 4, 8 and 16 clients"
		c.Alt = "Lines of mean seconds of a request over tokens a second, one for each of four models, from 1 to 16 clients, in a panel for each load and engine"
	case "figure-9":
		c.Title = "The paper's Figure 9, simulated: latency against tokens generated"
		c.Alt = "Lines of mean seconds of a request over the tokens it generates, for Phi4-mini and Phi4-mini-Flash, in a panel for each engine"
		x = Axis{Label: "tokens generated", Scale: Log2}
		setting = append(setting, "2,000 tokens prompt", "mean over 1, 2, 4, 8 and 16 clients")
	default:
		return nil, fmt.Errorf("no figure is called %q (know %v)", figure, PaperFigures())
	}
	c.Setting = append(setting, "vLLM 0.7.3 with the paper's kernels, its host times assumed", "today's engine: "+today+" with kernels that read each kv head once")
	for _, k := range curves {
		heading := k.Engine
		if figure == "figure-4" {
			heading = k.Load + ", " + k.Engine
		}
		i := slices.IndexFunc(c.Panels, func(p Panel) bool { return p.Heading == heading })
		if i < 0 {
			i = len(c.Panels)
			c.Panels = append(c.Panels, Panel{Form: Curves, Heading: heading, X: x, Y: y})
		}
		s := Series{Name: k.Model, Model: k.Model, Device: device, Basis: k.Basis}
		for _, p := range k.Points {
			q := Point{X: p.Throughput, Y: p.Seconds, Batch: p.Clients, Fits: true}
			if figure == "figure-9" {
				q.X = float64(p.Generate)
			}
			s.Points = append(s.Points, q)
		}
		c.Panels[i].Series = append(c.Panels[i].Series, s)
	}
	return c, nil
}
