package reports

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/arch/hf"
)

// TypesTable lists the Hugging Face model types that can be read, what their decoders consist of,
// and whether checkpoints of them can be executed. A note below lists the types that are refused.
func TypesTable(types []hf.TypeInfo, executed []string, refused map[string]string) *Table {
	t := &Table{Columns: []Column{
		{Name: "model_type", CSV: "type", Left: true}, {Name: "made of", CSV: "parts", Left: true},
		{Name: "decoder\ninside", CSV: "decoder", Left: true}, {Name: "executed", CSV: "executed", Left: true},
	}}
	for _, x := range types {
		runs := "–"
		if slices.Contains(executed, x.Name) || slices.Contains(executed, x.Of) {
			runs = "yes"
		}
		of := "–"
		if x.Of != "" {
			of = x.Of
		}
		t.Add(Txt(x.Name), Txt(strings.Join(x.Parts, ", ")), Txt(of), Txt(runs))
	}
	t.Notes = append(t.Notes, fmt.Sprintf("%d types are read. Executed: whole checkpoints were run, every tensor loaded, and gave the logits of the modelling code (validate --golden).", len(types)))
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		t.Notes = append(t.Notes, fmt.Sprintf("Refused: %s (%s).", name, refused[name]))
	}
	return t
}
