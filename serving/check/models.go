package check

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/hf"
	"github.com/OWNER/ridgeline/models"
)

// modelFiles are config.json files of checkpoints that were served and are no preset: the
// shapes alone, as on Hugging Face.
//
//go:embed models/*.json
var modelFiles embed.FS

// aliases maps the beginnings of checkpoints' names, in lower case and without their owner, to
// presets or to the embedded files of models.
var aliases = []struct{ begins, model string }{
	{"llama-3.1-8b", "llama-3.1-8b"}, {"meta-llama-3.1-8b", "llama-3.1-8b"}, {"llama3.1-8b", "llama-3.1-8b"},
	{"llama-3.1-70b", "llama-3.1-70b"}, {"meta-llama-3.1-70b", "llama-3.1-70b"}, {"llama3.1-70b", "llama-3.1-70b"},
	{"llama-3.3-70b", "llama-3.1-70b"}, {"llama-3-70b", "llama-3.1-70b"}, {"llama-3-8b", "llama-3.1-8b"},
	{"llama-3.2-3b", "llama-3.2-3b"},
	{"llama-2-7b", "llama-2-7b"}, {"llama-2-13b", "llama-2-13b"}, {"llama-2-70b", "llama-2-70b"},
	{"codellama-34b", "codellama-34b"}, {"yi-34b", "yi-34b"},
	{"mixtral-8x7b", "mixtral-8x7b"},
	{"qwen3-32b", "qwen3-32b"}, {"qwen3-14b", "qwen3-14b"}, {"qwen3-8b", "qwen3-8b"}, {"qwen3-0.6b", "qwen3-0.6b"},
	{"gpt-oss-20b", "gpt-oss-20b"},
	{"phi-4-mini-flash", "phi4-mini-flash"}, {"phi-4-mini", "phi4-mini"},
}

// openModel opens a model by the name that a run gives for it.
func openModel(name string) (*arch.Model, error) {
	base := strings.ToLower(path.Base(strings.ReplaceAll(name, "\\", "/")))
	for _, a := range aliases {
		if !strings.HasPrefix(base, a.begins) {
			continue
		}
		data, err := modelFiles.ReadFile("models/" + a.model + ".json")
		if err != nil {
			return models.Preset(a.model)
		}
		m, err := hf.Import("config.json", data)
		if err != nil {
			return nil, err
		}
		m.Name = a.model
		return m, nil
	}
	if m, err := models.Preset(base); err == nil {
		return m, nil
	}
	return nil, fmt.Errorf("no model called %q is known", name)
}
