package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/explore"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
)

func exploreCommand() *cobra.Command {
	var (
		p      = pageFlags{deploy: deployFlags{several: true}}
		port   int
		noOpen bool
	)
	c := &cobra.Command{
		Use:   "explore [MODEL…]",
		Short: "Design and compare models on a local page while you look",
		Long: `Serves a page on 127.0.0.1 and opens it in the browser: up to four designs beside each other, with
devices, load, formats, kernels and engine, and every figure drawn anew while a slider moves. A load
is simulated in the background (--serve), tokens have a price where a device has one (--price). The
address of the page holds all of it and a token that keeps other pages out. Nothing leaves this
machine. Ctrl-C ends it.`,
		Example: `  ridgeline explore
  ridgeline explore phi4-mini phi4-mini-flash --on h200 --batch 16
  ridgeline explore my-hybrid.yaml phi4-mini --no-open --port 8080`,
		Args:              needArgs(0, explore.MostDesigns, fmt.Sprintf("at most %d models", explore.MostDesigns)),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			if port < 0 || port > 65535 {
				return fmt.Errorf("--port %d is not from 0 (a free one) to 65535", port)
			}
			if len(args) == 0 {
				args = []string{"phi4-mini", "phi4-mini-flash"}
			}
			ms, err := p.deploy.models(c, args)
			if err != nil {
				return err
			}
			s, err := p.setup(c, ms) // the same error as compare would give
			if err != nil {
				return err
			}
			start, err := exploreStart(c, args, s.Price)
			if err != nil {
				return err
			}
			server, err := exploreServer(start, version(), p.deploy.on)
			if err != nil {
				return failure{err}
			}
			return serve(c, server, port, noOpen)
		},
	}
	p.deploy.register(c)
	p.load.register(c)
	p.under.register(c.Flags())
	p.price.register(c)
	p.spec.register(c)
	p.prefix.register(c.Flags())
	c.Flags().IntVar(&port, "port", 0, "port of 127.0.0.1; 0 is a free one")
	c.Flags().BoolVar(&noOpen, "no-open", false, "only print the address")
	return c
}

// pageFlags are the flags that an address of the page may set.
type pageFlags struct {
	deploy deployFlags
	load   loadFlags
	under  serveFlags
	price  costFlags
	spec   specFlags
	prefix prefixFlag
}

// bind makes the flags, without completions for a shell.
func (p *pageFlags) bind(c *cobra.Command) {
	p.deploy.several = true
	p.deploy.bindDevice(c.Flags())
	p.deploy.bindModel(c.Flags())
	p.load.bind(c)
	p.under.register(c.Flags())
	p.price.register(c)
	p.spec.bind(c.Flags())
	p.prefix.register(c.Flags())
}

// setup compiles models for the flags, as the compare command does.
func (p *pageFlags) setup(c *cobra.Command, ms []*arch.Model) (*study.Setup, error) {
	if err := errors.Join(p.spec.check(), p.prefix.check()); err != nil {
		return nil, err
	}
	s := &study.Setup{}
	var err error
	if s.Serve, err = p.under.load(); err != nil {
		return nil, err
	}
	if s.Fidelity, s.Load, err = p.load.workload(); err != nil {
		return nil, err
	}
	s.Load.PrefixShare = p.prefix.share
	if s.Compiled, err = p.deploy.compileModels(c, ms); err != nil {
		return nil, err
	}
	if s.Speculation, err = p.spec.ofModels(c, s.Compiled); err != nil {
		return nil, err
	}
	s.Price, s.PriceFrom, err = p.price.ofModels(s.Compiled)
	return s, err
}

// exploreStart returns the state with which the page begins: the models (a file as its text), the
// flags that were given, and prices by device.
func exploreStart(c *cobra.Command, args []string, prices map[string]float64) (url.Values, error) {
	q := url.Values{}
	for _, a := range args {
		if _, err := explore.OpenDesign(a); err == nil {
			q.Add("m", a)
			continue
		}
		m, err := models.Open(a)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := modelfile.Write(&b, m); err != nil {
			return nil, fmt.Errorf("%s: %w", a, err)
		}
		q.Add("m", "yaml:"+b.String())
	}
	for _, f := range exploreControls() {
		if x := c.Flags().Lookup(f.Flag); x != nil && x.Changed && f.Flag != "price" {
			q.Set(f.Flag, x.Value.String())
		}
	}
	if d := q.Get("draft"); d != "" && d != "ngram" && d != "mtp" {
		if _, err := explore.OpenDesign(d); err != nil {
			return nil, fmt.Errorf("--draft %s: the page takes ngram, mtp, a preset or a family, no file", d)
		}
	}
	var each []string
	for _, d := range slices.Sorted(maps.Keys(prices)) {
		each = append(each, fmt.Sprintf("%s=%g", d, prices[d]))
	}
	if len(each) > 0 {
		q.Set("price", strings.Join(each, ","))
	}
	if x := c.Flags().Lookup("on"); x.Changed {
		q.Set("on", x.Value.String())
	}
	return q, nil
}

// exploreControls are the flags that the page can set.
func exploreControls() []explore.Control {
	c := &cobra.Command{}
	(&pageFlags{}).bind(c)
	options := func(names []string) []explore.Option {
		out := []explore.Option{}
		for _, n := range names {
			out = append(out, explore.Option{Value: n, Label: strings.ReplaceAll(n, "_", " ")})
		}
		return out
	}
	usual := func(label string, names []string) []explore.Option {
		return append([]explore.Option{{Value: "", Label: label}}, options(names)...)
	}
	drafts := usual("none", nil)
	drafts = append(drafts, explore.Option{Value: "ngram", Label: "n-gram lookups"}, explore.Option{Value: "mtp", Label: "the checkpoint's MTP blocks"})
	for _, n := range presetNames() {
		drafts = append(drafts, explore.Option{Value: n, Label: "a model: " + n})
	}
	var out []explore.Control
	for _, f := range []struct {
		group, flag, label string
		options            []explore.Option
	}{
		{"load", "prompt", "Prompt, tokens", nil}, {"load", "generate", "Generated, tokens", nil}, {"load", "batch", "Users at once (the batch)", nil},
		{"load", "price", "USD an hour of a device", nil},
		{"under", "serve", "Simulated load", options(serving.Engines())}, {"under", "slo", "Promise to users", nil},
		{"several", "tp", "Tensor-parallel devices", options([]string{"1", "2", "4", "8"})},
		{"several", "pp", "Pipeline stages", options([]string{"1", "2", "4", "8"})},
		{"several", "microbatches", "Microbatches that follow each other through the stages", nil},
		{"several", "dp", "Data-parallel ranks", options([]string{"1", "2", "4", "8"})},
		{"several", "ep", "Expert-parallel devices", options([]string{"1", "2", "4", "8", "16"})},
		{"several", "skew", "Load of the busiest experts' device, times the mean", nil},
		{"drafts", "prefix-share", "Share of each prompt that is cached already", nil},
		{"drafts", "draft", "What drafts tokens", drafts},
		{"drafts", "draft-tokens", "Tokens drafted a step", nil},
		{"drafts", "acceptance", "Share of drafted tokens accepted, as measured on your text", nil},
		{"settings", "fidelity", "Fidelity", usual("calibrated where measured", costmodel.Fidelities())},
		{"settings", "engine", "Engine", options(kerneltime.EngineNames())},
		{"settings", "weights", "Weights", usual("as the checkpoint", formats.Names())}, {"settings", "kv", "KV cache", usual("as activations", storable())},
		{"settings", "state", "Recurrent state", usual("as the checkpoint", storable())}, {"settings", "activations", "Activations", usual("bf16", storable())},
		{"settings", "compute", "Compute", usual("as activations", storable())},
		{"settings", "kv-read", "Kernels read K and V", options(execution.KVReads())}, {"settings", "diff-kernel", "Differential attention", options(execution.DiffKernels())},
		{"settings", "prefill", "Prefill", options(execution.PrefillModes())}, {"settings", "memory-fraction", "Memory that may be used", nil},
		{"settings", "cache", "Windowed layers store", options(execution.CacheModes())}, {"settings", "conv-state", "Convolution state", usual("as activations", storable())},
		{"settings", "gmu-ratio", "GMU ratio of all designs", nil},
	} {
		x := c.Flags().Lookup(f.flag)
		value := x.Value.String()
		if slices.Contains([]string{"gmu-ratio", "price", "microbatches", "acceptance"}, f.flag) { // no value of these flags stands for their absence
			value = ""
		}
		out = append(out, explore.Control{Group: f.group, Flag: f.flag, Label: f.label, Default: value, Help: x.Usage, Options: f.options})
	}
	return out
}

// exploreServer makes the server of the page. own is the value of --on, which may be the file of
// a device.
func exploreServer(start url.Values, version, own string) (*explore.Server, error) {
	ch := explore.Choices{Controls: exploreControls(), Start: start.Encode(), Version: version}
	for _, p := range models.Presets() {
		ch.Presets = append(ch.Presets, explore.Option{Value: p.Name, Label: p.Doc})
	}
	for _, f := range family.Families() {
		ch.Families = append(ch.Families, explore.Option{Value: f.Name + "(d=16)", Label: f.Doc})
	}
	for _, n := range hardware.Names() {
		hw, err := hardware.Lookup(n)
		if err != nil {
			return nil, err
		}
		ch.Devices = append(ch.Devices, explore.Option{Value: n, Label: hw.Title})
	}
	for _, n := range strings.Split(own, ",") {
		n = strings.TrimSpace(n)
		if !slices.ContainsFunc(ch.Devices, func(o explore.Option) bool { return o.Value == n }) {
			hw, err := hardware.Open(n)
			if err != nil {
				return nil, err
			}
			ch.Devices = append(ch.Devices, explore.Option{Value: n, Label: hw.Title})
		}
	}
	return explore.NewServer(ch, priceFlags)
}

// priceFlags compiles models as the command line does for the same flags.
func priceFlags(ms []*arch.Model, flags map[string]string) (*study.Setup, []string, error) {
	var p pageFlags
	c := &cobra.Command{Use: "compare"}
	var said bytes.Buffer
	c.SetErr(&said)
	p.bind(c)
	for name, v := range flags {
		if err := c.Flags().Set(name, v); err != nil {
			return nil, nil, flagError(c, err)
		}
	}
	ms, err := p.deploy.withRatio(c, ms)
	if err != nil {
		return nil, nil, err
	}
	s, err := p.setup(c, ms)
	if err != nil {
		return nil, nil, err
	}
	warnings := []string{}
	for _, line := range strings.Split(said.String(), "\n") {
		if line = strings.TrimPrefix(strings.TrimSpace(line), "ridgeline: warning: "); line != "" {
			warnings = append(warnings, line)
		}
	}
	return s, warnings, nil
}

// serve answers the page's requests until the command is stopped.
func serve(c *cobra.Command, s *explore.Server, port int, noOpen bool) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		if port == 0 {
			return failure{err}
		}
		return fmt.Errorf("--port %d: %w (another program may have it; 0 takes a free one)", port, err)
	}
	address := fmt.Sprintf("http://%s/%s/", l.Addr(), s.Token)
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return c.Context() }}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	fmt.Fprintln(c.OutOrStdout(), address)
	fmt.Fprintln(c.ErrOrStderr(), "Ctrl-C ends the page.")
	if !noOpen {
		if err := openBrowser(address); err != nil {
			fmt.Fprintln(c.ErrOrStderr(), "No browser opened here: open the address in one.")
		}
	}
	select {
	case err = <-done:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return failure{err}
	case <-c.Context().Done():
	}
	stop, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		return failure{err}
	}
	return nil // stopping the command is the usual way to end
}

// openBrowser asks the system to show an address.
func openBrowser(address string) error {
	switch runtime.GOOS {
	case "darwin":
		return exec.Command("open", address).Start()
	case "windows":
		return exec.Command("rundll32", "url.dll,FileProtocolHandler", address).Start()
	}
	return exec.Command("xdg-open", address).Start()
}
