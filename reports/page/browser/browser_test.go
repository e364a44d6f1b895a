// Package browser opens a report in a real browser. It is a module of its own, so that
// ridgeline does not depend on one.
package browser

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/OWNER/ridgeline/explore/browser/chrome"
)

// report makes a report with the command line of this checkout.
func report(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "report.html")
	c := exec.Command("go", "run", "./cmd/ridgeline", "report", "phi4-mini", "phi4-mini-flash", "--on", "a100-80gb", "--batch", "16", "-o", out)
	c.Dir = filepath.Join("..", "..", "..")
	if b, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return "file://" + out
}

func TestReportInABrowser(t *testing.T) {
	ctx := chrome.Open(t, 2*time.Minute)
	url := report(t)
	l := chrome.Listen(ctx)
	if err := chromedp.Run(ctx, network.Enable(), runtime.Enable(), chromedp.Navigate(url), chromedp.WaitVisible("#method")); err != nil {
		t.Fatal(err)
	}
	l.Lock()
	for _, r := range l.Requests {
		if !strings.HasPrefix(r, "file://") && !strings.HasPrefix(r, "data:") {
			t.Errorf("the page asks the network for %s", r)
		}
	}
	if len(l.Console) > 0 {
		t.Errorf("the console says %q", l.Console)
	}
	l.Unlock()

	t.Run("no width overflows", func(t *testing.T) {
		for _, width := range []int64{320, 390, 768, 1280, 1920} {
			var overflow int
			err := chromedp.Run(ctx, emulation.SetDeviceMetricsOverride(width, 900, 1, width < 700),
				chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &overflow))
			if err != nil {
				t.Fatal(err)
			}
			if overflow > 0 {
				t.Errorf("%d pixels wide: the page is %d wider", width, overflow)
			}
		}
	})

	t.Run("figures follow the theme", func(t *testing.T) {
		for _, theme := range []string{"light", "dark"} {
			var shown map[string]int
			var contrast float64
			err := chromedp.Run(ctx, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}),
				chromedp.Evaluate(`(() => {
					const n = {light: 0, dark: 0};
					for (const k of Object.keys(n)) for (const e of document.querySelectorAll('figure .wide.' + k)) if (e.getClientRects().length) n[k]++;
					return n;
				})()`, &shown),
				chromedp.Evaluate(`(() => {
					const lum = c => { const v = c.match(/[\d.]+/g).slice(0, 3).map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4); return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
					const back = lum(getComputedStyle(document.body).backgroundColor);
					return Math.min(...['body', '.setting', 'a[href="#method"]', 'th', 'td', '.note'].map(s => { const f = lum(getComputedStyle(document.querySelector(s)).color); return (Math.max(f, back) + .05) / (Math.min(f, back) + .05); }));
				})()`, &contrast))
			if err != nil {
				t.Fatal(err)
			}
			other := map[string]string{"light": "dark", "dark": "light"}[theme]
			if shown[theme] < 4 || shown[other] != 0 {
				t.Errorf("%s: %d light and %d dark figures are shown", theme, shown["light"], shown["dark"])
			}
			if contrast < 4.5 {
				t.Errorf("%s: a text has a contrast of %.2f, want 4.5", theme, contrast)
			}
		}
	})

	t.Run("keyboard reaches links and what scrolls", func(t *testing.T) {
		var first string
		reached := map[string]bool{}
		err := chromedp.Run(ctx, chromedp.Navigate(url), chromedp.WaitVisible("#method"), chromedp.KeyEvent(kb.Tab),
			chromedp.Evaluate(`document.activeElement.textContent`, &first))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(first, "Skip") {
			t.Errorf("the first stop is %q, want the link past the navigation", first)
		}
		for range 60 {
			var at string
			if err := chromedp.Run(ctx, chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(`(document.activeElement.getAttribute('href') || document.activeElement.className || document.activeElement.tagName) + ''`, &at)); err != nil {
				t.Fatal(err)
			}
			reached[at] = true
		}
		for _, want := range []string{"#comparison", "#claims", "#method", "scroll"} {
			if !reached[want] {
				t.Errorf("tabbing never reaches %s", want)
			}
		}
	})

	t.Run("assistive technology reads names", func(t *testing.T) {
		var raw string
		err := chromedp.Run(ctx, chromedp.Evaluate(`JSON.stringify({
			headings: [...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1]),
			unnamed: [...document.querySelectorAll('figure,[role=region],nav,section')].filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby'))).length,
			tables: [...document.querySelectorAll('table')].filter(t => !t.querySelector('th[scope=col]')).length,
		})`, &raw))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Headings        []int
			Unnamed, Tables int
		}
		if err := json.Unmarshal([]byte(raw), &got); err != nil {
			t.Fatal(err)
		}
		if got.Unnamed > 0 || got.Tables > 0 || len(got.Headings) < 8 || got.Headings[0] != 1 {
			t.Errorf("%+v", got)
		}
	})

	t.Run("prints light and whole", func(t *testing.T) {
		var hidden, dark int
		err := chromedp.Run(ctx, emulation.SetEmulatedMedia().WithMedia("print"),
			chromedp.Evaluate(`[...document.querySelectorAll('nav')].filter(e => e.getClientRects().length).length`, &hidden),
			chromedp.Evaluate(`[...document.querySelectorAll('figure .dark')].filter(e => e.getClientRects().length).length`, &dark))
		if err != nil {
			t.Fatal(err)
		}
		if hidden != 0 || dark != 0 {
			t.Errorf("%d navigations and %d dark figures are printed", hidden, dark)
		}
	})
}
