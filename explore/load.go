package explore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gonum.org/v1/plot/vg"

	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/reports/figure"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
)

// UnderLoad is the result of a simulated load.
type UnderLoad struct {
	Heads   []string            `json:"heads"`
	Rows    [][]string          `json:"rows"`
	Notes   []string            `json:"notes"`
	Compare reports.CompareJSON `json:"compare"` // as the compare command prints it, with the figures of the simulation
	SVG     string              `json:"svg"`
}

// simulation is a load that was simulated and not drawn yet.
type simulation struct {
	served []*serving.Served
	curve  *study.Chart
}

// simulations keeps the latest simulations by their addresses, so that another width or theme, a
// report, or going back does not simulate again. Only one runs at a time, because the page has to
// answer meanwhile.
type simulations struct {
	running chan struct{}
	mu      sync.Mutex
	known   map[string]*simulation
	order   []string
}

// mostSimulations is how many simulations are kept.
const mostSimulations = 16

func newSimulations() *simulations {
	return &simulations{running: make(chan struct{}, 1), known: map[string]*simulation{}}
}

func (x *simulations) get(key string) *simulation {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.known[key]
}

func (x *simulations) put(key string, s *simulation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known[key] == nil {
		x.order = append(x.order, key)
	}
	if x.known[key] = s; len(x.order) > mostSimulations {
		delete(x.known, x.order[0])
		x.order = x.order[1:]
	}
}

// simulate simulates the setup's load, or returns the result that was kept. It calls progress
// with the number of runs that are done and the number of all.
func (x *simulations) simulate(ctx context.Context, key string, s *study.Setup, progress func(done, total int)) (*simulation, error) {
	if known := x.get(key); known != nil {
		return known, nil
	}
	select {
	case x.running <- struct{}{}:
		defer func() { <-x.running }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if known := x.get(key); known != nil { // another request may have simulated it while this one waited
		return known, nil
	}
	u, n := *s.Serve, len(s.Compiled)
	total := n + u.CurveRuns(n)
	progress(0, total)
	u.Progress = func(done, _ int) { progress(done, total) }
	curve, err := s.UnderCurve(ctx, &u)
	if err != nil {
		return nil, err
	}
	u.Progress = func(done, _ int) { progress(total-n+done, total) }
	served, err := s.Under(ctx, &u)
	if err != nil {
		return nil, err
	}
	out := &simulation{served, curve}
	x.put(key, out)
	return out, nil
}

// simulationKey returns those parts of an address on which its simulation depends.
func simulationKey(q url.Values) string {
	k := url.Values{}
	for name, v := range q {
		if !slices.Contains(aside, name) {
			k[name] = v
		}
	}
	return k.Encode()
}

// load simulates the load in an address. It answers with lines of JSON that say how far the
// simulation is, and then with the result or an error. Closing the page stops the simulation.
func (s *Server) load(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	setup, look, theme, err := s.picture(q)
	if err == nil && setup.Serve == nil {
		err = errors.New("the address asks for no load: add serve=clients=16")
	}
	if err != nil {
		reply(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	say := func(v any) {
		// The page may have been closed; then nobody can be told.
		_ = lines.Encode(v)
		_ = flush.Flush()
	}
	out, err := s.underLoad(r.Context(), q, setup, look, theme, func(done, total int) { say(map[string]int{"done": done, "total": total}) })
	if err != nil {
		say(map[string]string{"error": sentence(err)})
		return
	}
	say(map[string]*UnderLoad{"result": out})
}

func (s *Server) underLoad(ctx context.Context, q url.Values, setup *study.Setup, look figure.Options, theme figure.Theme, progress func(done, total int)) (*UnderLoad, error) {
	x, err := reports.CompareSetup(setup)
	if err != nil {
		return nil, err
	}
	ran, err := s.loads.simulate(ctx, simulationKey(q), setup, progress)
	if err != nil {
		return nil, err
	}
	t := x.ServedTable(setup.Serve, ran.served)
	x.Serve(setup.Serve, ran.served)
	out := &UnderLoad{Notes: t.Notes, Compare: x.JSON}
	out.Heads, out.Rows = t.Rendered()
	out.SVG, err = draw(ran.curve, look, theme)
	return out, err
}

// picture reads from an address what to draw and how.
func (s *Server) picture(q url.Values) (*study.Setup, figure.Options, figure.Theme, error) {
	look, theme, err := looks(q)
	if err != nil {
		return nil, look, theme, err
	}
	_, _, setup, _, err := s.setup(q)
	return setup, look, theme, err
}

// looks reads from an address the width and theme of a figure.
func looks(q url.Values) (figure.Options, figure.Theme, error) {
	theme, err := figure.ParseTheme(q.Get("theme"))
	if err != nil {
		return figure.Options{}, theme, err
	}
	width, err := strconv.ParseFloat(q.Get("width"), 64) // CSS pixels; 96 of them are an inch
	if err != nil || !(width >= 200 && width <= 4000) {
		return figure.Options{}, theme, fmt.Errorf("width %q is not from 200 to 4000 pixels", short(q.Get("width")))
	}
	return figure.Options{Width: vg.Length(width) / 96 * vg.Inch}, theme, nil
}

// draw draws a chart as SVG to put into a page.
func draw(c *study.Chart, look figure.Options, theme figure.Theme) (string, error) {
	var b bytes.Buffer
	if err := figure.New(c, look).Write(&b, "x.svg", theme); err != nil {
		return "", fmt.Errorf("%s: %w", c.Title, err)
	}
	return b.String()[max(strings.Index(b.String(), "<svg"), 0):], nil
}
