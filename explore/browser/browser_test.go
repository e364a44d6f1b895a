// Package browser moves the controls of ridgeline explore in a real browser. It is a module
// of its own, so that ridgeline does not depend on one.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
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

// open starts the browser; a machine without one skips the test.
func open(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no chromium here: apt-get install chromium")
	}
	// A browser may still write as it goes: what of its profile is left then is no failure.
	profile, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(profile))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Skipf("%s does not start here: %v", path, err)
	}
	ctx, cancelTime := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancelTime)
	return ctx
}

// said gathers what the page logs and asks for.
type said struct {
	mu       sync.Mutex
	console  []string
	requests []string
}

func listen(ctx context.Context) *said {
	l := &said{}
	chromedp.ListenTarget(ctx, func(ev any) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch ev := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			for _, a := range ev.Args {
				l.console = append(l.console, string(ev.Type)+": "+string(a.Value))
			}
		case *runtime.EventExceptionThrown:
			l.console = append(l.console, ev.ExceptionDetails.Error())
		case *network.EventRequestWillBeSent:
			l.requests = append(l.requests, ev.Request.URL)
		}
	})
	return l
}

// settled waits until the page shows what its controls say: the answer to the last question,
// and every figure that is in sight.
const settled = `new Promise(done => {
	let calm = 0, last = '';
	const look = () => {
		const now = document.body.dataset.answered + document.getElementById('command').textContent + [...document.querySelectorAll('figure')].map(f => f.dataset.drawn).join();
		calm = now === last ? calm + 1 : 0;
		last = now;
		if (calm > 5 && document.body.dataset.answered) done(true); else setTimeout(look, 50);
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

// command runs the command line that the page names and returns the table it prints.
func (p *page) command() (line string, rows []map[string]any) {
	p.Helper()
	bin, err := built()
	if err != nil {
		p.Fatal(err)
	}
	line = p.text(`document.getElementById('command').textContent`)
	c := exec.Command("sh", "-c", `exec "$0" `+strings.TrimPrefix(line, "ridgeline ")+" --format json", bin)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		p.Fatalf("%s: %v: %s", line, err, errs.String())
	}
	var v struct{ Rows []map[string]any }
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		p.Fatal(err)
	}
	return line, v.Rows
}

// agrees holds the page's table to the command it names: TPOT in the page's unit, and the
// largest batch.
func (p *page) agrees() {
	p.Helper()
	line, rows := p.command()
	var table [][]string
	p.do(chromedp.Evaluate(`[...document.querySelectorAll('#table tr')].map(r => [...r.children].map(c => c.textContent))`, &table))
	if len(table) != len(rows)+1 {
		p.Fatalf("%s: %d rows, the page shows %d", line, len(rows), len(table)-1)
	}
	for k, head := range table[0] {
		for i, row := range rows {
			cell := strings.ReplaceAll(table[i+1][k], ",", "")
			switch {
			case strings.HasPrefix(head, "TPOT"):
				scale := map[string]float64{"s": 1, "ms": 1e3, "µs": 1e6}[strings.TrimSpace(strings.TrimPrefix(head, "TPOT"))]
				if want := row["tpot_seconds"].(float64) * scale; !close3(cell, want) {
					p.Errorf("%s: row %d has a TPOT of %s, the command %g", line, i, cell, want)
				}
			case strings.HasPrefix(head, "largest"):
				if want := row["memory"].(map[string]any)["max_batch"].(float64); cell != fmt.Sprintf("%.0f", want) {
					p.Errorf("%s: row %d has a largest batch of %s, the command %g", line, i, cell, want)
				}
			}
		}
	}
}

// close3 reports whether a printed number is a value to three digits.
func close3(cell string, want float64) bool {
	var got float64
	if _, err := fmt.Sscan(cell, &got); err != nil {
		return false
	}
	d := got - want
	return d <= 0.006*want+1e-3 && -d <= 0.006*want+1e-3
}

func TestExplorer(t *testing.T) {
	ctx := open(t)
	address := serve(t, "phi4-mini", "phi4-mini-flash", "--on", "h200", "--batch", "16")
	l := listen(ctx)
	p := &page{t, ctx}
	p.do(network.Enable(), runtime.Enable(), emulation.SetDeviceMetricsOverride(1280, 900, 1, false), chromedp.Navigate(address), chromedp.WaitVisible("#table tbody tr"))
	p.settle()

	t.Run("what a stranger asks", func(t *testing.T) {
		p := &page{t, ctx}
		verdict := p.text(`document.getElementById('verdict').textContent`)
		for _, say := range []string{"phi4-mini-flash decodes", "as fast as phi4-mini", "cache reads", "at every context"} {
			if !strings.Contains(verdict, say) {
				t.Errorf("the verdict does not say %q: %s", say, verdict)
			}
		}
		p.agrees()
	})

	t.Run("every control moves the page and the command alike", func(t *testing.T) {
		p := &page{t, ctx}
		p.do(chromedp.Evaluate(`document.getElementById('settings').open = true; document.getElementById('devices').open = true`, nil))
		var ids []string
		p.do(chromedp.Evaluate(`[...document.querySelectorAll('#load input, #load select, #settings-list input, #settings-list select')].map(e => e.id)`, &ids))
		if len(ids) < 20 {
			t.Fatalf("there are %d controls", len(ids))
		}
		for _, id := range ids {
			before := p.text(`document.getElementById('command').textContent + document.getElementById('error').textContent`)
			p.do(chromedp.Evaluate(fmt.Sprintf(`(() => {
				const e = document.getElementById(%q);
				const fire = n => e.dispatchEvent(new Event(n, {bubbles: true}));
				if (e.type === 'checkbox') e.click();
				else if (e.tagName === 'SELECT') { e.selectedIndex = (e.selectedIndex + 1) %% e.options.length; fire('change'); }
				else if (e.type === 'range') { e.value = String(Number(e.min) + 0.6 * (Number(e.max) - Number(e.min))); fire('input'); fire('change'); }
				else { e.value = e.id.includes('gmu') || e.id.includes('memory') ? '0.75' : '3000'; fire('change'); }
			})()`, id), nil))
			p.settle()
			if after := p.text(`document.getElementById('command').textContent + document.getElementById('error').textContent`); after == before {
				t.Errorf("%s changes nothing: %s", id, after)
			}
			if hidden := p.number(`document.getElementById('error').hidden ? 1 : 0`); hidden == 1 {
				p.agrees()
			}
			p.do(chromedp.Evaluate(`history.back()`, nil), chromedp.Sleep(100*time.Millisecond))
			p.settle()
		}
		p.do(chromedp.Navigate(address), chromedp.WaitVisible("#table tbody tr"))
		p.settle()
		p.do(chromedp.Evaluate(`document.querySelector('#device-list input[value="a100-80gb"]').click()`, nil))
		p.settle()
		if s := p.text(`document.getElementById('table').textContent`); !strings.Contains(s, "phi4-mini on a100-80gb") {
			t.Errorf("a second device adds no rows: %s", s)
		}
		p.agrees()
	})

	t.Run("designs are added, turned, edited and removed", func(t *testing.T) {
		p := &page{t, ctx}
		p.do(chromedp.Navigate(address+"?m=sambay(d%3D16)&m=phi4-mini-flash&batch=16"), chromedp.WaitVisible("#table tbody tr"))
		p.settle()
		p.do(chromedp.Evaluate(`(() => { const e = document.querySelector('[data-key=gmu_ratio]'); e.focus(); e.value = '1'; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); })()`, nil))
		p.settle()
		p.settle()
		if s := p.text(`document.querySelector('.spec').value`); s != "sambay(d=16,gmu_ratio=1)" {
			t.Errorf("the knob made %q", s)
		}
		p.agrees()
		p.do(chromedp.Evaluate(`document.getElementById('add').click()`, nil))
		p.settle()
		if n := p.number(`document.querySelectorAll('.card').length`); n != 3 {
			t.Errorf("%v designs after adding one", n)
		}
		p.do(chromedp.Evaluate(`document.querySelectorAll('.card')[2].querySelector('.head button').click()`, nil))
		p.settle()
		if n := p.number(`document.querySelectorAll('.card').length`); n != 2 {
			t.Errorf("%v designs after removing one", n)
		}
		// A layer that reads the shared cache becomes a GMU.
		p.do(chromedp.Evaluate(`document.querySelectorAll('.card')[1].querySelectorAll('.layers button')[19].click()`, nil))
		if s := p.text(`document.querySelectorAll('.card')[1].querySelector('.tell').textContent`); !strings.Contains(s, "reads the cache of layer 18") {
			t.Errorf("layer 20 tells %q", s)
		}
		if n := p.number(`document.querySelectorAll('.card')[1].querySelectorAll('.linked').length`); n != 1 {
			t.Errorf("%v layers are marked as what layer 20 reads", n)
		}
		before := p.text(`document.getElementById('table').textContent`)
		p.do(chromedp.Evaluate(`(() => { const e = document.querySelectorAll('.card')[1].querySelector('.editor select'); e.value = 'gmu'; e.dispatchEvent(new Event('change')); })()`, nil))
		p.settle()
		p.settle()
		if after := p.text(`document.getElementById('table').textContent`); after == before {
			t.Error("a changed layer changes no number")
		}
		// What is wrong is said at its design; going back makes it right again.
		p.do(chromedp.Evaluate(`(() => { const e = document.querySelectorAll('.card')[1].querySelector('.layout-text'); e.value = '((('; e.dispatchEvent(new Event('change')); })()`, nil))
		p.settle()
		if s := p.text(`document.querySelectorAll('.card')[1].querySelector('.design-error').textContent`); !strings.Contains(s, "column") {
			t.Errorf("a broken layout is answered by %q", s)
		}
		p.do(chromedp.Evaluate(`history.back()`, nil), chromedp.Sleep(200*time.Millisecond))
		p.settle()
		if n := p.number(`document.getElementById('error').hidden ? 1 : 0`); n != 1 {
			t.Error("going back leaves the error")
		}
	})

	t.Run("sixty moves of a slider without a stall", func(t *testing.T) {
		p := &page{t, ctx}
		p.do(chromedp.Navigate(address), chromedp.WaitVisible("#table tbody tr"))
		p.settle()
		// Counted in the processor time of the page's main thread: what else runs on the
		// machine holds a page up too, and is not its fault.
		p.do(performance.Enable().WithTimeDomain(performance.EnableTimeDomainThreadTicks))
		busy := func() (ms float64) {
			p.do(chromedp.ActionFunc(func(ctx context.Context) error {
				ms0, err := performance.GetMetrics().Do(ctx)
				for _, m := range ms0 {
					if m.Name == "TaskDuration" {
						ms = 1000 * m.Value
					}
				}
				return err
			}))
			return ms
		}
		longest := 0.0
		for n := range 60 {
			before := busy()
			p.do(chromedp.Evaluate(fmt.Sprintf(move, 8+float64(n%30)/4), nil, await))
			longest = max(longest, busy()-before)
		}
		if longest > 100 {
			t.Errorf("a move stalls the page for %.0f ms", longest)
		}
		t.Logf("the longest of sixty moves takes %.1f ms", longest)
		p.settle()
		p.agrees()
	})

	t.Run("no width overflows", func(t *testing.T) {
		p := &page{t, ctx}
		for _, width := range []int64{320, 390, 768, 1280, 1920, 3840} {
			p.do(emulation.SetDeviceMetricsOverride(width, 900, 1, width < 700))
			p.settle()
			if n := p.number(`document.documentElement.scrollWidth - document.documentElement.clientWidth`); n > 0 {
				t.Errorf("%d pixels wide: the page is %v wider", width, n)
			}
		}
		p.do(emulation.SetDeviceMetricsOverride(1280, 900, 1, false))
	})

	t.Run("contrast and colours", func(t *testing.T) {
		p := &page{t, ctx}
		for _, theme := range []string{"light", "dark"} {
			p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}))
			p.settle()
			if got := p.text(`document.documentElement.dataset.theme`); got != theme {
				t.Errorf("the system is %s, the page %s", theme, got)
			}
			var bad []string
			p.do(chromedp.Evaluate(contrast, &bad))
			for _, b := range bad {
				t.Errorf("%s: %s", theme, b)
			}
			var svg string
			p.do(chromedp.Evaluate(`document.querySelector('figure svg').outerHTML`, &svg))
			if back := map[string]string{"light": "#FFFFFF", "dark": "#181A1F"}[theme]; !strings.Contains(svg, back) {
				t.Errorf("%s: the figures have another background", theme)
			}
		}
	})

	t.Run("keyboard", func(t *testing.T) {
		p := &page{t, ctx}
		p.do(chromedp.Navigate(address), chromedp.WaitVisible("#table tbody tr"))
		p.settle()
		reached := map[string]bool{}
		for range 60 {
			p.do(chromedp.KeyEvent(kb.Tab))
			reached[p.text(`(document.activeElement.id || document.activeElement.className || document.activeElement.tagName) + ''`)] = true
		}
		for _, want := range []string{"skip", "theme", "copy-address", "f-prompt", "f-generate", "f-batch", "f-batch-max", "spec", "add", "copy-command", "scroll"} {
			if !reached[want] {
				t.Errorf("tabbing never reaches %s", want)
			}
		}
		// An arrow moves a slider, and the arrows walk over a layout.
		before := p.text(`document.getElementById('command').textContent`)
		p.do(chromedp.Focus("#f-batch"), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
		p.settle()
		if after := p.text(`document.getElementById('command').textContent`); after == before {
			t.Error("arrows do not move the batch")
		}
		p.do(chromedp.Evaluate(`document.querySelector('.layers button').focus()`, nil), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.Enter))
		if s := p.text(`document.activeElement.getAttribute('aria-label')`); !strings.HasPrefix(s, "Layer 2,") {
			t.Errorf("an arrow in a layout leads to %q", s)
		}
		if n := p.number(`document.querySelector('.editor select') ? 1 : 0`); n != 1 {
			t.Error("Enter on a layer does not open its editor")
		}
	})

	t.Run("assistive technology reads names", func(t *testing.T) {
		p := &page{t, ctx}
		var unnamed []string
		p.do(chromedp.Evaluate(`[...document.querySelectorAll('input, select, textarea, button, a, summary, [role=region], section, [tabindex="0"]')].filter(e => e.type !== 'file' && !e.hidden).filter(e =>
			!(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || (e.labels && e.labels.length) || e.textContent.trim())).map(e => e.outerHTML.slice(0, 120))`, &unnamed))
		if len(unnamed) > 0 {
			t.Errorf("without a name: %q", unnamed)
		}
		if n := p.number(`document.querySelectorAll('figure svg[role=img][aria-label]').length`); n < 2 {
			t.Errorf("%v figures say what they show", n)
		}
	})

	t.Run("a bad address is a sentence", func(t *testing.T) {
		p := &page{t, ctx}
		for _, q := range []string{"?m=nosuch", "?m=phi4-mini&on=nope", "?m=phi4-mini&batch=-3", "?nonsense=1", "?m=yaml%3A%28%28"} {
			p.do(chromedp.Navigate(address+q), chromedp.WaitVisible("#error"))
			if s := p.text(`document.getElementById('error').textContent`); len(s) < 10 || strings.Contains(s, "\n") {
				t.Errorf("%s: %q", q, s)
			}
		}
	})

	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.requests {
		if !strings.HasPrefix(r, "http://127.0.0.1:") && !strings.HasPrefix(r, "data:") {
			t.Errorf("the page asks the network for %s", r)
		}
	}
	if len(l.console) > 0 {
		t.Errorf("the console says %q", l.console)
	}
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
