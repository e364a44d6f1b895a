// Package browser moves the controls of ridgeline explore in a real browser. It is a module
// of its own, so that ridgeline does not depend on one.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// built is the command line of this checkout.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ridgeline")
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "ridgeline")
	c := exec.Command("go", "build", "-o", out, "./cmd/ridgeline")
	c.Dir = filepath.Join("..", "..")
	if b, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, b)
	}
	return out, nil
})

// serve starts the page and returns its address.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(bin, append([]string{"explore", "--no-open"}, args...)...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait() // stopped by us: its exit code says so
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// settled waits until the page shows what its controls say: the answer to the last question,
// and every figure that is in sight.
const settled = `new Promise(done => {
	let calm = 0, last = '';
	const look = () => {
		const now = document.body.dataset.answered + document.getElementById('command').textContent + [...document.querySelectorAll('figure')].map(f => f.dataset.drawn).join() + document.getElementById('under-load').dataset.shown + document.getElementById('load-progress').value;
		calm = now === last ? calm + 1 : 0;
		last = now;
		if (calm > 5 && document.body.dataset.answered && document.getElementById('under-load').getAttribute('aria-busy') !== 'true') done(true); else setTimeout(look, 50);
	};
	look();
})`

func await(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

type page struct {
	*testing.T
	ctx context.Context
}

func (p *page) do(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

func (p *page) settle() {
	p.Helper()
	var ok bool
	p.do(chromedp.Evaluate(settled, &ok, await))
}

func (p *page) text(js string) (s string) {
	p.Helper()
	p.do(chromedp.Evaluate(js, &s))
	return s
}

func (p *page) number(js string) (n float64) {
	p.Helper()
	p.do(chromedp.Evaluate(js, &n))
	return n
}

// command runs a command line that the page names and returns what it prints.
func (p *page) command(id string) (line string, said result) {
	p.Helper()
	bin, err := built()
	if err != nil {
		p.Fatal(err)
	}
	line = p.text(fmt.Sprintf(`document.getElementById(%q).textContent`, id))
	c := exec.Command("sh", "-c", `exec "$0" `+strings.TrimPrefix(line, "ridgeline ")+" --format json", bin)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		p.Fatalf("%s: %v: %s", line, err, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		p.Fatal(err)
	}
	return line, said
}

// result is what the compare command prints.
type result struct {
	Verdict, Faster string
	Rows            []struct {
		TPOT    float64 `json:"tpot_seconds"`
		TTFT    float64 `json:"ttft_seconds"`
		Speedup float64
		Memory  struct {
			Max     float64 `json:"max_batch"`
			Weights float64 `json:"weights_bytes"`
			Total   float64 `json:"total_bytes"`
		}
		Speculative *struct {
			TPOT    float64 `json:"tpot_seconds"`
			Speedup float64
		}
		Cost struct {
			Hour   float64  `json:"usd_per_hour"`
			Input  *float64 `json:"usd_per_million_input"`
			Output *float64 `json:"usd_per_million_output"`
		}
		Served *struct {
			Throughput float64  `json:"output_throughput"`
			TTFT       *float64 `json:"mean_ttft_ms"`
			TPOT       *float64 `json:"p99_tpot_ms"`
			Users      *float64
			USD        *float64 `json:"usd_per_million_output"`
		}
	}
}

// table reads a table of the page, its header first.
func (p *page) table(id string) (cells [][]string) {
	p.Helper()
	p.do(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll('#%s tr')].map(r => [...r.children].map(c => c.textContent))`, id), &cells))
	return cells
}

// prefixes of units in the heads of tables.
var prefixes = map[string]float64{"s": 1, "ms": 1e-3, "µs": 1e-6, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}

// holds compares a column of a page's table, by the beginning of its head, to what the
// command printed, in base units; nil is a dash.
func (p *page) holds(line string, table [][]string, head string, want func(row int) *float64) (found bool) {
	p.Helper()
	for k, h := range table[0] {
		name, unit := h, 1.0
		if i := strings.LastIndexAny(h, "\n"); i >= 0 {
			if x, ok := prefixes[h[i+1:]]; ok {
				name, unit = h[:i], x
			}
		}
		if strings.ReplaceAll(name, "\n", " ") != head {
			continue
		}
		for i := range table[1:] {
			cell, w := strings.TrimSuffix(strings.ReplaceAll(table[i+1][k], ",", ""), "×"), want(i)
			switch {
			case w == nil:
				if cell != "–" {
					p.Errorf("%s: row %d has a %s of %s, the command has none", line, i+1, head, cell)
				}
			case !rounds(cell, *w/unit):
				p.Errorf("%s: row %d has a %s of %s, the command %g", line, i+1, head, cell, *w/unit)
			}
		}
		return true
	}
	return false
}

// agrees holds the page to the command it names: its sentences, its tables, and what was
// simulated.
func (p *page) agrees() {
	p.Helper()
	line, said := p.command("command")
	what, why := p.text(`document.getElementById('verdict-what').textContent`), p.text(`document.getElementById('verdict-why').textContent`)
	if what+": "+why != said.Verdict && what+"; "+why != said.Verdict {
		p.Errorf("%s: the page says %q and %q, the command %q", line, what, why, said.Verdict)
	}
	if got := p.text(`document.getElementById('faster').textContent`); got != said.Faster {
		p.Errorf("%s: the page says %q, the command %q", line, got, said.Faster)
	}
	all, fits := p.table("table"), p.table("fits")
	if len(all) != len(said.Rows)+1 || len(fits) != len(all) {
		p.Fatalf("%s: %d rows, the page shows %d and %d", line, len(said.Rows), len(all)-1, len(fits)-1)
	}
	must := func(found bool) {
		if !found {
			p.Errorf("%s: a column is missing from the page: %q %q", line, all[0], fits[0])
		}
	}
	must(p.holds(line, all, "TPOT", func(i int) *float64 { return &said.Rows[i].TPOT }))
	must(p.holds(line, all, "TTFT", func(i int) *float64 { return &said.Rows[i].TTFT }))
	must(p.holds(line, all, "largest batch", func(i int) *float64 { return &said.Rows[i].Memory.Max }))
	must(p.holds(line, fits, "largest batch", func(i int) *float64 { return &said.Rows[i].Memory.Max }))
	must(p.holds(line, fits, "weights", func(i int) *float64 { return &said.Rows[i].Memory.Weights }))
	must(p.holds(line, fits, "in use", func(i int) *float64 { return &said.Rows[i].Memory.Total }))
	if strings.Contains(line, "--price") {
		must(p.holds(line, all, "cost USD/h", func(i int) *float64 { return &said.Rows[i].Cost.Hour }))
		must(p.holds(line, all, "input USD/Mtok", func(i int) *float64 { return said.Rows[i].Cost.Input }))
		must(p.holds(line, all, "output USD/Mtok", func(i int) *float64 { return said.Rows[i].Cost.Output }))
	}
	if strings.Contains(line, "--draft") {
		must(p.holds(line, all, "TPOT spec.", func(i int) *float64 { return &said.Rows[i].Speculative.TPOT }))
		must(p.holds(line, all, "gain spec.", func(i int) *float64 { return &said.Rows[i].Speculative.Speedup }))
	}
	if !strings.Contains(line, "--serve") {
		return
	}
	ms := func(v *float64) *float64 {
		if v == nil {
			return nil
		}
		s := *v / 1e3
		return &s
	}
	served := p.table("load-table")
	if len(served) != len(all) {
		p.Fatalf("%s: the page shows %d served rows: %s", line, len(served)-1, p.text(`document.getElementById('load-says').textContent`))
	}
	must(p.holds(line, served, "served tok/s", func(i int) *float64 { return &said.Rows[i].Served.Throughput }))
	must(p.holds(line, served, "served TTFT", func(i int) *float64 { return ms(said.Rows[i].Served.TTFT) }))
	must(p.holds(line, served, "served TPOT p99", func(i int) *float64 { return ms(said.Rows[i].Served.TPOT) }))
	if strings.Contains(line, "--price") {
		must(p.holds(line, served, "served USD/Mtok", func(i int) *float64 { return said.Rows[i].Served.USD }))
	}
	if strings.Contains(line, "--slo") {
		must(p.holds(line, served, "users in SLO", func(i int) *float64 { return said.Rows[i].Served.Users }))
	}
}

// rounds reports whether a printed number is a value, rounded to the digits it is printed
// with.
func rounds(cell string, want float64) bool {
	var got float64
	if _, err := fmt.Sscan(cell, &got); err != nil {
		return false
	}
	_, decimals, _ := strings.Cut(cell, ".")
	return math.Abs(got-want) <= 0.501*math.Pow(10, -float64(len(decimals)))
}

// move moves a slider and waits until the page has been painted twice.
const move = `new Promise(done => {
	const e = document.getElementById('f-generate');
	e.value = String(%g);
	e.dispatchEvent(new Event('input'));
	requestAnimationFrame(() => requestAnimationFrame(() => done()));
})`

// contrast lists the texts of the page that are harder to read than 4.5 to 1.
const contrast = `(() => {
	const channels = c => c.match(/[\d.]+/g).map(Number);
	const lum = c => { const v = channels(c).slice(0, 3).map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4); return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
	const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor, v = channels(c); if (v.length < 4 || v[3] > 0) return c; } return 'rgb(255,255,255)'; };
	const out = [];
	for (const e of document.querySelectorAll('body *')) {
		if (e.closest('svg') || !e.getClientRects().length || !['INPUT', 'SELECT', 'TEXTAREA'].includes(e.tagName) && ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
		if (e.tagName === 'OPTION' || e.tagName === 'SCRIPT' || e.tagName === 'STYLE' || e.className === 'skip') continue;
		const a = lum(getComputedStyle(e).color), b = lum(back(e)), r = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		if (r < 4.5) out.push(e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 30) + ': ' + r.toFixed(2));
	}
	return out.slice(0, 10);
})()`
