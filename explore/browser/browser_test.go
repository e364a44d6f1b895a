package browser

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/OWNER/ridgeline/explore/browser/chrome"
)

func TestExplorer(t *testing.T) {
	ctx := chrome.Open(t, 8*time.Minute)
	address := serve(t, "phi4-mini", "phi4-mini-flash", "--on", "h200", "--batch", "16")
	l := chrome.Listen(ctx)
	p := &page{t, ctx}
	p.do(network.Enable(), runtime.Enable(), emulation.SetDeviceMetricsOverride(1280, 900, 1, false), chromedp.Navigate(address), chromedp.WaitVisible("#table tbody tr"))
	p.settle()

	t.Run("what a stranger asks", func(t *testing.T) {
		// Who never saw the page: the device, the users, then what the first sentences say.
		p := &page{t, ctx}
		p.do(chromedp.Navigate(address+"?m=phi4-mini&m=phi4-mini-flash"), chromedp.WaitVisible("#table tbody tr"))
		p.settle()
		p.do(chromedp.SetValue("#f-on", "h200"), chromedp.Evaluate(`document.getElementById('f-on').dispatchEvent(new Event('change'))`, nil),
			chromedp.SetValue("#f-batch-text", "16"), chromedp.Evaluate(`document.getElementById('f-batch-text').dispatchEvent(new Event('change'))`, nil))
		p.settle()
		if line := p.text(`document.getElementById('command').textContent`); line != "ridgeline compare phi4-mini phi4-mini-flash --batch 16 --on h200" {
			t.Errorf("a device and a number of users make %s", line)
		}
		if below := p.number(`document.getElementById('faster').getBoundingClientRect().bottom - innerHeight`); below > 0 {
			t.Errorf("the answer ends %v pixels below the screen", below)
		}
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
		moved := 0
		for _, from := range []struct{ query, lists string }{
			{"?m=phi4-mini&m=phi4-mini-flash&on=h200&batch=16&serve=clients%3D16", "#load, #under-list, #several-list, #settings-list"},
			{"?m=phi4-mini&m=phi4-mini-flash&on=h200&batch=16&draft=ngram&acceptance=0.5", "#drafts-list"},
			{"?m=mixtral-8x7b&on=h200&batch=64&pp=2&dp=4&ep=4", "#several-list"},
		} {
			p.do(chromedp.Navigate(address+from.query), chromedp.WaitVisible("#table tbody tr"))
			p.settle()
			var ids []string
			p.do(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll(%q)].flatMap(l => [...l.querySelectorAll('input, select')].map(e => e.id))`, from.lists), &ids))
			for _, id := range ids {
				moved++
				before := p.text(`document.getElementById('command').textContent + document.getElementById('error').textContent`)
				p.do(chromedp.Evaluate(fmt.Sprintf(`(() => {
					const e = document.getElementById(%q);
					const fire = n => e.dispatchEvent(new Event(n, {bubbles: true}));
					const text = {'f-gmu-ratio-text': '0.75', 'f-memory-fraction-text': '0.75', 'f-slo': 'tpot=50ms', 'f-serve-amount-text': '7', 'f-microbatches': '4', 'f-skew-text': '1.25',
						'f-prefix-share-text': '0.3', 'f-draft-tokens-text': '5', 'f-acceptance-text': '0.8'};
					if (e.type === 'checkbox') e.click();
					else if (e.tagName === 'SELECT') { e.selectedIndex = (e.selectedIndex + 1) %% e.options.length; fire('change'); }
					else if (e.type === 'range') { e.value = String(Number(e.min) + 0.6 * (Number(e.max) - Number(e.min))); fire('input'); fire('change'); }
					else { e.value = text[e.id] || '3000'; fire('change'); }
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
		}
		if moved < 45 {
			t.Errorf("there are %d controls", moved)
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

	t.Run("a load is simulated behind the page", func(t *testing.T) {
		p := &page{t, ctx}
		p.do(chromedp.Navigate(address+"?m=phi4-mini&m=phi4-mini-flash&on=h200&batch=16&price=3.5"), chromedp.WaitVisible("#simulate"))
		p.settle()
		p.do(chromedp.Evaluate(`document.getElementById('simulate').click()`, nil))
		p.settle()
		if line := p.text(`document.getElementById('command').textContent`); !strings.Contains(line, "--serve clients=16") {
			t.Errorf("the button simulates %s", line)
		}
		p.agrees()
		if n := p.number(`document.querySelectorAll('#load-plot svg').length`); n != 1 {
			t.Errorf("%v curves under load", n)
		}
		// The address holds the load; another one is simulated, and the first not again.
		at := p.text(`location.search`)
		for _, change := range []string{"&slo=tpot%3D20ms", "&serve=rate%3D2%2Cspread%3Dnormal%3A0.3%2Crequests%3D60%2Cengine%3Dsglang"} {
			q, _, _ := strings.Cut(at, "&serve=")
			if strings.HasPrefix(change, "&slo") {
				q = at
			}
			p.do(chromedp.Navigate(address+q+change), chromedp.WaitVisible("#load-plot svg"))
			p.settle()
			p.agrees()
		}
		for _, say := range []string{"requests=60", "engine=sglang", "rate=2"} {
			if line := p.text(`document.getElementById('command').textContent`); !strings.Contains(line, say) {
				t.Errorf("the command lacks %s: %s", say, line)
			}
		}
		// Sliders move while a load of many users is simulated, which is given up.
		p.do(chromedp.Navigate(address+"?m=phi4-mini&m=phi4-mini-flash&on=h200&batch=16&serve=clients%3D16384"), chromedp.WaitVisible("#load-progress"))
		start := time.Now()
		p.do(chromedp.Evaluate(fmt.Sprintf(move, 9.0), nil, await), chromedp.Evaluate(`document.getElementById('f-serve').value = ''; document.getElementById('f-serve').dispatchEvent(new Event('change'))`, nil))
		p.settle()
		p.agrees()
		t.Logf("the page answers %s after a slider moved beside a simulation", time.Since(start).Round(time.Millisecond))
		if n := p.number(`document.getElementById('load-result').hidden ? 1 : 0`); n != 1 {
			t.Error("a load that is no longer asked for is still shown")
		}
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
		for _, want := range []string{"skip", "theme", "copy-address", "f-prompt", "f-generate", "f-batch", "f-batch-max", "f-price", "simulate", "spec", "add", "copy-command", "scroll"} {
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
		// What a screen reader is given: every control, region and picture has a name.
		type text struct {
			Value any `json:"value"`
		}
		var tree struct {
			Nodes []struct {
				Ignored bool `json:"ignored"`
				Role    text `json:"role"`
				Name    text `json:"name"`
			} `json:"nodes"`
		}
		p.do(chromedp.ActionFunc(func(ctx context.Context) error {
			return cdp.Execute(ctx, "Accessibility.getFullAXTree", nil, &tree)
		}))
		named := map[string]int{}
		for _, n := range tree.Nodes {
			role, _ := n.Role.Value.(string)
			name, _ := n.Name.Value.(string)
			if n.Ignored || !slices.Contains([]string{"slider", "textbox", "combobox", "button", "checkbox", "link", "region", "img", "image", "heading", "DisclosureTriangle"}, role) {
				continue
			}
			if strings.TrimSpace(name) == "" {
				t.Errorf("a %s has no name", role)
			}
			named[role]++
		}
		if named["slider"] < 3 || named["combobox"] < 2 || named["button"] < 10 || named["region"] < 5 || named["heading"] < 6 {
			t.Errorf("the tree holds %v", named)
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
		// A design that does not open can be put right where it stands.
		p.do(chromedp.Navigate(address+"?m=phi4-mini&m=nosuch"), chromedp.WaitVisible("#error"))
		p.do(chromedp.Evaluate(`(() => { const e = document.querySelectorAll('.card .spec')[1]; e.value = 'phi4-mini-flash'; e.dispatchEvent(new Event('change')); })()`, nil), chromedp.WaitVisible("#table tbody tr"))
		p.settle()
		p.agrees()
	})

	l.Lock()
	defer l.Unlock()
	for _, r := range l.Requests {
		if !strings.HasPrefix(r, "http://127.0.0.1:") && !strings.HasPrefix(r, "data:") {
			t.Errorf("the page asks the network for %s", r)
		}
	}
	if len(l.Console) > 0 {
		t.Errorf("the console says %q", l.Console)
	}
}
