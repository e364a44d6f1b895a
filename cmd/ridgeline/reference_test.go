package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/sweep"
)

// outputs are the verbs that write JSON and CSV, with arguments under which they write
// every part of it.
var outputs = []struct{ verb, args string }{
	{"estimate", "phi4-mini-flash --breakdown --on h200"},
	{"compare", "phi4-mini phi4-mini-flash --on h200"},
	{"models", ""},
	{"models MODEL", "phi4-mini-flash"},
	{"models --types", "--types"},
	{"hardware", ""},
	{"hardware DEVICE", "h200"},
	{"advise", "phi4-mini-flash"},
	{"advise --which", "phi4-mini-flash --which gmu_ratio"},
	{"claims", "--id half-replaced"},
	{"simulate", "llama-3.1-8b --on h200 --prompt 1k --generate 16 --num-prompts 20 --rate 2 --slo ttft=1s"},
	{"scale", "sambay(d=16) --match transformer++(d=16)"},
	{"scale mup", "sambay(d=16)"},
	{"scale train", "sambay(d=16) --tokens 100B --gpus 64"},
	{"plan", "llama-3.1-8b --on h200:1 --prompt 100 --generate 16 --rate 2 --tpot 50ms --vary tp=1 --price examples --seeds 1 --num-prompts 50"},
	{"plot", "throughput phi4-mini --on h200"},
}

// The reference in docs/reference is made from the code: commands and flags as they are
// defined, fields as the types that are written have them.
func TestReference(t *testing.T) {
	t.Chdir("../..")
	pages := map[string]string{
		"commands.md": commandsPage(),
		"json.md":     jsonPage(t),
		"csv.md":      csvPage(t),
		"models.md":   modelsPage(),
		"hardware.md": hardwarePage(t),
		"grids.md":    gridsPage(),
	}
	for name, text := range pages {
		file := filepath.Join("docs", "reference", name)
		have, err := os.ReadFile(file)
		if string(have) == text {
			continue
		}
		if !*update {
			t.Errorf("%s is not what the code says (%v): go test ./cmd/ridgeline -run TestReference -update", file, err)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const made = "*Made from the code by `go test ./cmd/ridgeline -run TestReference -update`.*\n\n"

func commandsPage() string {
	var b strings.Builder
	b.WriteString("# Commands\n\n" + made)
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		fmt.Fprintf(&b, "## %s\n\n", c.CommandPath())
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(&b, "%s\n\n", text)
		if c.Runnable() && c.HasParent() {
			fmt.Fprintf(&b, "```\n%s\n```\n\n", c.UseLine())
		}
		if c.Example != "" {
			fmt.Fprintf(&b, "```\n%s\n```\n\n", strings.TrimRight(dedent(c.Example), "\n"))
		}
		var rows [][]string
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" || f.Name == "version" {
				return
			}
			name, usage := pflag.UnquoteUsage(f)
			flag := "`--" + strings.TrimSpace(f.Name+" "+name) + "`"
			if f.Shorthand != "" {
				flag += ", `-" + f.Shorthand + "`"
			}
			value := f.DefValue
			if slices.Contains([]string{"", "false", "[]", "0"}, value) {
				value = ""
			} else {
				value = "`" + value + "`"
			}
			rows = append(rows, []string{flag, value, usage})
		})
		writeTable(&b, []string{"flag", "default", "is"}, rows)
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(rootCommand(&bytes.Buffer{}))
	return b.String()
}

func dedent(s string) string {
	var lines []string
	for _, l := range strings.Split(s, "\n") {
		lines = append(lines, strings.TrimPrefix(l, "  "))
	}
	return strings.Join(lines, "\n")
}

func writeTable(b *strings.Builder, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	cell := func(s string) string {
		return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "\\|")
	}
	line := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + cell(c) + " ")
		}
		b.WriteString("|\n")
	}
	line(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, r := range rows {
		line(r)
	}
	b.WriteString("\n")
}

// printed runs a verb and returns what it prints, and the type of its JSON.
func printed(t *testing.T, verb, args, format string) ([]byte, reflect.Type) {
	var of reflect.Type
	wroteJSON = func(v any) { of = reflect.TypeOf(v) }
	defer func() { wroteJSON = nil }()
	var line []string
	for _, w := range strings.Fields(verb) { // in "models MODEL" and "models --types" the first word
		if w == strings.ToLower(w) && !strings.HasPrefix(w, "-") {
			line = append(line, w)
		}
	}
	line = append(line, strings.Fields(args)...)
	var out, errs bytes.Buffer
	if code := run(context.Background(), append(line, "--format", format), &out, &errs); code != 0 {
		t.Fatalf("%v: exit %d: %s", line, code, errs.String())
	}
	return out.Bytes(), of
}

// A verb whose JSON is documented by its type: fields in the order they are written.
func jsonPage(t *testing.T) string {
	var b strings.Builder
	b.WriteString("# JSON\n\n" + made)
	b.WriteString("`--format json`, or `-o FILE.json`. Units are bytes, seconds, FLOPs and tokens, in full precision.\nFields are added, never renamed. A field that says *optional* is left out where it would be empty.\n\n")
	docs, words := &comments{}, fieldWords(t)
	for _, o := range outputs {
		out, of := printed(t, o.verb, o.args, "json")
		if of == nil {
			t.Fatalf("%s wrote no JSON value", o.verb)
		}
		fmt.Fprintf(&b, "## %s\n\n", o.verb)
		var rows [][]string
		known := map[string]bool{}
		docs.fields(t, of, "", 0, func(path, kind, doc string) {
			known[path] = true
			if bare := strings.TrimPrefix(doc, "*optional.*"); strings.TrimSpace(bare) == "" {
				said := words(path)
				if said == "" {
					t.Errorf("%s writes %s: say what it is, at the field or in testdata/fields.txt", o.verb, path)
				}
				doc = strings.TrimSpace(doc + " " + said)
			}
			rows = append(rows, []string{"`" + path + "`", kind, doc})
		})
		writeTable(&b, []string{"field", "type", "is"}, rows)
		// What is really written has no field that is not listed.
		var v any
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatal(err)
		}
		leaves(v, "", func(path string) {
			if !known[path] && !openEnded(path, known) {
				t.Errorf("%s writes %s, which its type does not list", o.verb, path)
			}
		})
	}
	return b.String()
}

// fieldWords reads what names mean wherever they stand.
func fieldWords(t *testing.T) func(path string) string {
	b, err := os.ReadFile("cmd/ridgeline/testdata/fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	for _, line := range strings.Split(string(b), "\n") {
		if name, doc, ok := strings.Cut(line, "\t"); ok {
			words[name] = doc
		}
	}
	return func(path string) string {
		name := strings.TrimSuffix(path, ".*")
		name = name[strings.LastIndex(name, ".")+1:] + path[len(name):]
		if words[name] == "" {
			name = strings.TrimRight(name, "[].*")
		}
		if name == "value" { // of a device: the figure it is of is named before
			parts := strings.Split(path, ".")
			if len(parts) > 1 && words[parts[len(parts)-2]] == "" && parts[0] != "rows[]" {
				return "the figure, in the unit of hardware.md"
			}
		}
		return words[name]
	}
}

// openEnded says whether a path lies in an object of names that are not fields: a map.
func openEnded(path string, known map[string]bool) bool {
	for {
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return false
		}
		path = path[:i]
		if known[path+".*"] || known[path+"[].*"] {
			return true
		}
	}
}

func leaves(v any, path string, visit func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			leaves(x, strings.TrimPrefix(path+"."+k, "."), visit)
		}
	case []any:
		for _, x := range v {
			leaves(x, path+"[]", visit)
		}
	default:
		if v != nil {
			visit(path)
		}
	}
}

func csvPage(t *testing.T) string {
	var b strings.Builder
	b.WriteString("# CSV\n\n" + made)
	b.WriteString("`--format csv`, or `-o FILE.csv`. Names end in their unit where they have one; figures are in base\nunits, in full precision. A cell that a spreadsheet would take for a formula begins with an apostrophe.\n\n")
	for _, o := range outputs {
		out, _ := printed(t, o.verb, o.args, "csv")
		r := csv.NewReader(bytes.NewReader(out))
		r.FieldsPerRecord = -1
		head, err := r.Read()
		if err != nil {
			t.Fatalf("%s: %v", o.verb, err)
		}
		fmt.Fprintf(&b, "## %s\n\n`%s`\n\n", o.verb, strings.Join(head, "`, `"))
	}
	b.WriteString("## sweep\n\nThe row's number, each parameter that varies and `model`, `on`, `prompt`, `generate`, `batch`, `fidelity`, then:\n\n`" +
		strings.Join(sweep.Figures(), "`, `") + "`\n")
	return b.String()
}

func modelsPage() string {
	var b strings.Builder
	b.WriteString("# Parts of a model\n\n" + made)
	b.WriteString("How they are put together: [models.md](../models.md). A field without a default must be given.\n\n# Mixers\n\n")
	list := func(name string, fields []arch.Field) {
		fmt.Fprintf(&b, "## %s\n\n", name)
		var rows [][]string
		for _, f := range fields {
			def := "–"
			if f.Default != nil {
				if v := f.Default(2048); v != nil {
					if _, failed := v.(error); !failed {
						def = fmt.Sprintf("`%v`", v)
					}
				}
				if f.Not {
					def = fmt.Sprintf("`%v`", !f.Default(2048).(bool))
				}
			}
			rows = append(rows, []string{"`" + f.Key + "`", fieldKind(f.Value), def, f.Doc})
		}
		writeTable(&b, []string{"field", "type", "default (width 2048)", "is"}, rows)
	}
	for _, k := range arch.MixerKinds() {
		list("kind: "+k.Name, arch.Fields(k.Blank))
	}
	b.WriteString("# Feed-forward networks\n\n")
	for _, k := range arch.FFNKinds() {
		list("kind: "+k.Name, arch.FFNFields(k.Blank))
	}
	b.WriteString("# Families\n\n`'NAME(d=16,gmu_ratio=0.5)'` builds one; options are those of a grid's model parameters ([grids.md](grids.md)).\n\n")
	var rows [][]string
	for _, f := range family.Families() {
		rows = append(rows, []string{"`" + f.Name + "`", fmt.Sprint(f.Alpha), f.Doc})
	}
	writeTable(&b, []string{"family", "width / depth", "is"}, rows)
	var names []string
	for _, f := range precision.Storable() {
		names = append(names, f.String())
	}
	fmt.Fprintf(&b, "# Formats\n\nOf caches, states and activations: `%s`. Of weights besides: `%s`, and more with groups (`int4:g64`) and GGUF's names.\n", strings.Join(names, "`, `"), strings.Join(formats.Names(), "`, `"))
	return b.String()
}

func fieldKind(v any) string {
	switch v.(type) {
	case *int:
		return "whole number"
	case *bool:
		return "true, false"
	case *float64:
		return "number"
	}
	return "name"
}

func hardwarePage(t *testing.T) string {
	var b strings.Builder
	b.WriteString("# Device files\n\n" + made)
	b.WriteString("`--on FILE.yaml`. A figure is `{value: NUMBER, source: KEY}`, where KEY is one of `sources`. `ridgeline hardware DEVICE --format json` shows any built-in one.\n\n")
	docs := &comments{}
	st := docs.spec(t, reflect.TypeFor[hardware.Profile]()).Type.(*ast.StructType)
	var rows [][]string
	of := reflect.TypeFor[hardware.Profile]()
	for i := range of.NumField() {
		f := of.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "" || key == "-" {
			continue
		}
		_, doc := fieldOf(st, f.Name)
		kind := jsonKind(f.Type)
		if f.Type == reflect.TypeFor[hardware.Figure]() {
			kind = "figure"
		} else if f.Type.Kind() == reflect.Map && f.Type.Elem() == reflect.TypeFor[hardware.Figure]() {
			kind = "figures by name"
		}
		rows = append(rows, []string{"`" + key + "`", kind, doc})
	}
	writeTable(&b, []string{"field", "type", "is"}, rows)
	return b.String()
}

func gridsPage() string {
	var b strings.Builder
	b.WriteString("# Grids\n\n" + made)
	b.WriteString("A grid for `ridgeline sweep FILE.yaml` has `fixed` and `vary` (parameters and their values: one, a list, or `FROM:TO:STEP`), `where` (constraints such as `fits` or `tpot<=50ms`) and `iso_params` (a number of parameters that every design is solved for).\n\n")
	var rows [][]string
	for _, p := range sweep.Parameters() {
		name := "`" + p.Name + "`"
		for _, a := range p.Aliases {
			name += ", `" + a + "`"
		}
		value := ""
		if p.Default != "" {
			value = "`" + p.Default + "`"
		}
		rows = append(rows, []string{name, value, p.Doc})
	}
	writeTable(&b, []string{"parameter", "default", "is"}, rows)
	b.WriteString("Figures of a row, for `where`, `--pareto` and `--plot`: `" + strings.Join(sweep.Figures(), "`, `") + "`.\n")
	return b.String()
}
