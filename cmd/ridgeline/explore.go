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
		deploy = deployFlags{several: true}
		load   loadFlags
		under  serveFlags
		price  costFlags
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
			if _, err := under.load(); err != nil {
				return err
			}
			_, _, cs, err := load.on(c, &deploy, args)
			if err != nil { // as compare would say it
				return err
			}
			prices, _, err := price.ofModels(cs)
			if err != nil {
				return err
			}
			start, err := exploreStart(c, args, prices)
			if err != nil {
				return err
			}
			server, err := exploreServer(start, version(), deploy.on)
			if err != nil {
				return failure{err}
			}
			return serve(c, server, port, noOpen)
		},
	}
	deploy.register(c)
	load.register(c)
	under.register(c.Flags())
	price.register(c)
	c.Flags().IntVar(&port, "port", 0, "port of 127.0.0.1; 0 is a free one")
	c.Flags().BoolVar(&noOpen, "no-open", false, "only print the address")
	return c
}

// exploreStart is the state that a page begins with: the models, files as their text, and
// the flags that were given, prices by device.
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
	var d deployFlags
	var l loadFlags
	var u serveFlags
	var p costFlags
	c := &cobra.Command{}
	d.bindDevice(c.Flags())
	d.bindModel(c.Flags())
	l.bind(c)
	u.register(c.Flags())
	p.register(c)
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
	var out []explore.Control
	for _, f := range []struct {
		flag, label string
		options     []explore.Option
	}{
		{"prompt", "Prompt, tokens", nil}, {"generate", "Generated, tokens", nil}, {"batch", "Batch: sequences at once, one of each user", nil},
		{"fidelity", "Fidelity", usual("calibrated where measured", costmodel.Fidelities())},
		{"engine", "Engine", options(kerneltime.EngineNames())},
		{"tp", "Tensor-parallel devices", options([]string{"1", "2", "4", "8"})},
		{"pp", "Pipeline stages", options([]string{"1", "2", "4", "8"})},
		{"dp", "Data-parallel ranks", options([]string{"1", "2", "4", "8"})},
		{"ep", "Expert-parallel devices", options([]string{"1", "2", "4", "8", "16"})},
		{"weights", "Weights", usual("as the checkpoint", formats.Names())}, {"kv", "KV cache", usual("as activations", storable())},
		{"state", "Recurrent state", usual("as the checkpoint", storable())}, {"activations", "Activations", usual("bf16", storable())},
		{"compute", "Compute", usual("as activations", storable())},
		{"kv-read", "Kernels read K and V", options(execution.KVReads())}, {"diff-kernel", "Differential attention", options(execution.DiffKernels())},
		{"prefill", "Prefill", options(execution.PrefillModes())}, {"memory-fraction", "Memory that may be used", nil},
		{"cache", "Windowed layers store", options(execution.CacheModes())}, {"conv-state", "Convolution state", usual("as activations", storable())},
		{"gmu-ratio", "GMU ratio of all designs", nil},
		{"serve", "Simulated load", options(serving.Engines())}, {"slo", "Promise to users", nil}, {"price", "USD an hour of a device", nil},
	} {
		x := c.Flags().Lookup(f.flag)
		value := x.Value.String()
		if f.flag == "gmu-ratio" || f.flag == "price" { // what no flag stands for
			value = ""
		}
		out = append(out, explore.Control{Flag: f.flag, Label: f.label, Default: value, Help: x.Usage, Options: f.options})
	}
	return out
}

// exploreServer is the server of the page. own is what --on named, for devices that are
// files.
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
	deploy := deployFlags{several: true}
	var load loadFlags
	var under serveFlags
	var price costFlags
	c := &cobra.Command{Use: "compare"}
	var said bytes.Buffer
	c.SetErr(&said)
	deploy.bindDevice(c.Flags())
	deploy.bindModel(c.Flags())
	load.bind(c)
	under.register(c.Flags())
	price.register(c)
	for name, v := range flags {
		if err := c.Flags().Set(name, v); err != nil {
			return nil, nil, flagError(c, err)
		}
	}
	f, w, err := load.workload()
	if err != nil {
		return nil, nil, err
	}
	ms, err = deploy.withRatio(c, ms)
	if err != nil {
		return nil, nil, err
	}
	cs, err := deploy.compileModels(c, ms)
	if err != nil {
		return nil, nil, err
	}
	warnings := []string{}
	for _, line := range strings.Split(said.String(), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			warnings = append(warnings, line)
		}
	}
	s := &study.Setup{Compiled: cs, Fidelity: f, Load: w}
	if s.Serve, err = under.load(); err != nil {
		return nil, nil, err
	}
	s.Price, s.PriceFrom, err = price.ofModels(cs)
	return s, warnings, err
}

// serve answers the page until the command is stopped.
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
	return nil // stopping is how a page ends
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
