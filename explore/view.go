package explore

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/reports/page"
	"github.com/OWNER/ridgeline/study"
)

// View is all that the page shows apart from its figures.
type View struct {
	Verdict  string              `json:"verdict"`
	What     string              `json:"what"`   // the verdict up to its colon: how fast
	Faster   string              `json:"faster"` // a sentence that says from which context on a model decodes faster
	Misfits  []string            `json:"misfits"`
	Remarks  []string            `json:"remarks"` // what the rows assume that their setting does not say
	Drafts   bool                `json:"drafts"`  // whether tokens are drafted; only tables show that
	Setting  string              `json:"setting"`
	Warnings []string            `json:"warnings"`
	Load     *Load               `json:"load"` // the load that the address asks to simulate
	Heads    []string            `json:"heads"`
	Rows     [][]string          `json:"rows"`
	Compare  reports.CompareJSON `json:"compare"` // what the compare command prints with --format json
	Command  string              `json:"command"`
	Figures  []Figure            `json:"figures"`
	Designs  []Design            `json:"designs"`
	Fits     Grid                `json:"fits"` // what each model keeps in the memory of its device
}

// Grid is a table with its cells as they are printed.
type Grid struct {
	Heads []string   `json:"heads"`
	Rows  [][]string `json:"rows"`
	Left  []bool     `json:"left"` // columns of text
}

// Load is a load that the page asks to simulate.
type Load struct {
	Text    string `json:"text"`    // the load in words
	Command string `json:"command"` // the command that draws its curve
}

// Figure is one of the figures of a state, with the command that draws it.
type Figure struct {
	Kind    string `json:"kind"`
	Title   string `json:"title"`
	Command string `json:"command"`
}

// setup opens and prices the designs of a state.
func (s *Server) setup(q url.Values) (State, []*arch.Model, *study.Setup, []string, error) {
	st, err := s.state(q)
	if err != nil {
		return st, nil, nil, nil, err
	}
	ms, err := s.open(st)
	if err != nil {
		return st, nil, nil, nil, err
	}
	flags := map[string]string{}
	for f, v := range st.Flags {
		if v != "" && !s.usual(f, v) {
			flags[f] = v
		}
	}
	setup, warnings, err := s.Price(ms, flags)
	return st, ms, setup, warnings, err
}

// kinds lists the figures of a setup in the order in which the page shows them.
func kinds(s *study.Setup) []string {
	out := []string{"throughput", "tpot", "memory", "breakdown"}
	if slices.ContainsFunc(s.Compiled, func(c *costmodel.Compiled) bool { _, ok := c.Model.GMURatio(); return ok }) {
		out = append(out, "gmu-ratio")
	}
	if len(s.Compiled) == 2 {
		out = append(out, "speedup")
	}
	if len(s.Compiled) <= 6 {
		out = append(out, "roofline")
	}
	out = append(out, "ttft")
	if len(s.Price) > 0 {
		out = append(out, "cost")
	}
	if slices.Equal(s.Fidelities(), []costmodel.Fidelity{costmodel.Calibrated}) {
		out = append(out, "served")
	}
	return out
}

func (s *Server) view(q url.Values) (*View, error) {
	st, ms, setup, warnings, err := s.setup(q)
	if err != nil {
		return nil, err
	}
	x, err := reports.CompareSetup(setup)
	if err != nil {
		return nil, err
	}
	rows := x.Rows
	what, _ := reports.Verdicts(rows)
	v := &View{Verdict: reports.Verdict(rows), What: what, Faster: x.JSON.Faster, Setting: reports.CompareSetting(rows), Warnings: warnings,
		Compare: x.JSON, Command: s.command("compare", st, ms), Misfits: reports.Misfits(rows),
		Remarks: reports.Remarks(rows), Drafts: len(setup.Speculation) > 0}
	v.Heads, v.Rows = x.Table.Rendered()
	fits := reports.FitsTable(rows)
	v.Fits.Heads, v.Fits.Rows = fits.Rendered()
	for _, c := range fits.Columns {
		v.Fits.Left = append(v.Fits.Left, c.Left)
	}
	if setup.Serve != nil {
		if err := setup.Servable(); err != nil {
			return nil, err
		}
		v.Load = &Load{Text: setup.Serve.String(), Command: s.command("plot load", st, ms) + " -o load.svg"}
	}
	for _, k := range kinds(setup) {
		v.Figures = append(v.Figures, Figure{k, titles[k], s.command("plot "+k, st, ms) + " -o " + k + ".svg"})
	}
	for i, m := range ms {
		d, err := describe(st.Designs[i], m)
		if err != nil {
			return nil, &DesignError{i, err}
		}
		v.Designs = append(v.Designs, d)
	}
	return v, nil
}

var titles = map[string]string{"throughput": "Throughput against generation length", "tpot": "Time per token against context", "memory": "Memory against context",
	"breakdown": "Where a step goes", "gmu-ratio": "The GMU ratio", "speedup": "Speedup", "roofline": "Roofline", "ttft": "Time to first token", "cost": "Cost of a million tokens", "served": "Requests always in flight"}

// figure draws a figure of the state in the width that the page has for it.
func (s *Server) figure(w http.ResponseWriter, r *http.Request) {
	setup, look, theme, err := s.picture(r.URL.Query())
	if err != nil {
		reply(w, nil, err)
		return
	}
	chart, err := setup.Measure(r.PathValue("kind"))
	if err != nil {
		reply(w, nil, err)
		return
	}
	svg, err := draw(chart, look, theme)
	if err != nil {
		reply(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	// The page may have been closed; then nobody can be told.
	_, _ = w.Write([]byte(svg))
}

// download writes the report, the points of the figures as CSV, or the model file of a design.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	st, ms, setup, _, err := s.setup(q)
	if err != nil {
		reply(w, nil, err)
		return
	}
	var b bytes.Buffer
	name, kind := "", ""
	switch r.PathValue("what") {
	case "report":
		name, kind = "report.html", "text/html; charset=utf-8"
		var p *page.Page
		if p, err = page.Build(r.Context(), setup, page.Made{Command: s.command("report", st, ms) + " -o report.html", Version: s.Choices.Version, Date: time.Now().Format("2 January 2006, 15:04 MST")}); err == nil {
			err = p.HTML(&b)
		}
	case "csv":
		name, kind = "figures.csv", "text/csv; charset=utf-8"
		var rows []study.Row
		for _, k := range kinds(setup) {
			c, err := setup.Measure(k)
			if err != nil {
				reply(w, nil, err)
				return
			}
			rows = append(rows, c.Rows()...)
		}
		if setup.Serve != nil {
			ran, err := s.loads.simulate(r.Context(), simulationKey(q), setup, func(int, int) {})
			if err != nil {
				reply(w, nil, err)
				return
			}
			rows = append(rows, ran.curve.Rows()...)
		}
		err = reports.WriteCSV(&b, rows)
	case "yaml":
		i, bad := strconv.Atoi(q.Get("design"))
		if bad != nil || i < 0 || i >= len(ms) {
			reply(w, nil, fmt.Errorf("design %q is not one of %d", short(q.Get("design")), len(ms)))
			return
		}
		name, kind = file(ms[i]), "application/yaml"
		if t, ok := strings.CutPrefix(st.Designs[i], yamlMark); ok {
			b.WriteString(t)
		} else {
			err = modelfile.Write(&b, ms[i])
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		reply(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	// The page may have been closed; then nobody can be told.
	_, _ = w.Write(b.Bytes())
}
