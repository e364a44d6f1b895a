package hf

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/internal/spell"
	"github.com/OWNER/ridgeline/quant"
)

const (
	// maxPositions bounds contexts and windows.
	maxPositions = 1 << 31
)

// importers are the readers of decoders, by model_type.
func importers() map[string]func(*config) *arch.Model {
	return map[string]func(*config) *arch.Model{
		"llama":            importLlama,
		"llama4_text":      importLlama4,
		"persimmon":        importPersimmon,
		"mpt":              importMPT,
		"bloom":            importBLOOM,
		"diffllama":        importDiffLlama,
		"afmoe":            importAFMoE,
		"deepseek":         importDeepSeek,
		"dots1":            importDots1,
		"ernie4_5_moe":     importErnie45MoE,
		"exaone_moe":       importExaoneMoE,
		"flex_olmo":        importFlexOLMo,
		"glm4_moe":         importGLM4MoE,
		"granitemoe":       importGraniteMoE,
		"granitemoeshared": importGraniteMoE,
		"hunyuan_v1_moe":   importHunyuanMoE,
		"mimo_v2_flash":    importMiMoV2,
		"minimax_m2":       importMiniMaxM2,
		"olmoe":            importOLMoE,
		"phimoe":           importPhiMoE,
		"qwen2_moe":        importQwen2MoE,
		"solar_open":       importSolarOpen,
		"deepseek_v2":      importDeepSeekV2,
		"deepseek_v3":      importDeepSeekV3,
		"kimi_k2":          importDeepSeekV3,
		"kimi_linear":      importKimiLinear,
		"deepseek_v32":     importDeepSeekV32,
		"glm_moe_dsa":      importGLMDSA,
		"minicpm3":         importMiniCPM3,
		"glm4_moe_lite":    importGLM4MoELite,
		"youtu":            importYoutu,
		"longcat_flash":    importLongcat,
		"lfm2":             importLFM2,
		"lfm2_moe":         importLFM2MoE,
		"mistral":          importMistral,
		"ministral3":       importMinistral3,
		"mistral4":         importMistral4,
		"phi3":             importPhi3,
		"phi4flash":        importPhi4Flash,
		"qwen":             importQwen1,
		"qwen2":            importQwen2,
		"qwen3":            importQwen3,
		"qwen3_moe":        importQwen3MoE,
		"mixtral":          importMixtral,
		"gpt_oss":          importGptOss,
		"qwen3_next":       importQwen3Next,
		"rwkv":             importRWKV,
		"rwkv5":            importRWKV5,
		"recurrent_gemma":  importRecurrentGemma,
		"qwen3_5_text":     importQwen35Text,
		"qwen3_5_moe_text": importQwen35MoEText,
		"mamba":            importMamba,
		"mamba2":           importMamba2,
		"falcon_mamba":     importFalconMamba,
		"nemotron_h":       importNemotronH,
		"jamba":            importJamba,
		"jetmoe":           importJetMoE,
		"bamba":            importBamba,
		"granitemoehybrid": importGraniteHybrid,
		"falcon_h1":        importFalconH1,
		"apertus":          importApertus,
		"arcee":            importArcee,
		"bitnet":           importBitNet,
		"baichuan":         importBaichuan,
		"chatglm":          importChatGLM,
		"cohere":           importCohere,
		"cohere2":          importCohere2,
		"cwm":              importCWM,
		"ernie4_5":         importErnie45,
		"exaone4":          importExaone4,
		"falcon":           importFalcon,
		"gemma":            importGemma,
		"gemma2":           importGemma2,
		"gemma3_text":      importGemma3,
		"gemma3n_text":     importGemma3n,
		"gemma4_text":      importGemma4,
		"vaultgemma":       importVaultGemma,
		"xlstm":            importXLSTM,
		"zamba":            importZamba,
		"zamba2":           importZamba2,
		"glm":              importGLM,
		"glm4":             importGLM4,
		"gpt2":             importGPT2,
		"gpt_bigcode":      importGPTBigCode,
		"gpt_neox":         importGPTNeoX,
		"gptj":             importGPTJ,
		"granite":          importGranite,
		"helium":           importHelium,
		"hunyuan_v1_dense": importHunyuan,
		"internlm":         importInternLM,
		"internlm2":        importInternLM2,
		"minimax":          importMiniMax,
		"minimax_m1":       importMiniMaxM1,
		"minimax_m3":       importMiniMaxM3,
		"mimo":             importMiMo,
		"minicpm":          importMiniCPM,
		"olmo":             importOLMo,
		"olmo2":            importOLMo2,
		"olmo3":            importOLMo3,
		"olmo_hybrid":      importOLMoHybrid,
		"opt":              importOPT,
		"orion":            importOrion,
		"phi":              importPhi,
		"phi-msft":         importPhiMSFT,
		"seed_oss":         importSeedOss,
		"smollm3":          importSmolLM3,
		"stablelm":         importStableLM,
		"starcoder2":       importStarcoder2,
	}
}

// DecoderTypes lists the model types that are a decoder themselves, sorted.
func DecoderTypes() []string { return slices.Sorted(maps.Keys(importers())) }

// ModelTypes lists the model types Import reads, sorted.
func ModelTypes() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for t := range importers() {
			if !yield(t) {
				return
			}
		}
		for t, w := range wrappers() {
			if importers()[w.text] != nil && !yield(t) {
				return
			}
		}
	})
}

// Refused says of model types that are known and not read what they have that is not
// modelled.
func Refused() map[string]string {
	return map[string]string{
		"deepseek_v4": "its caches are compressed along the sequence",
		"kimi_k3":     "its residual stream attends to blocks of layers, and its latent attention has a gate",
	}
}

// unread is the error for a type that has no reader.
func unread(typ string) error {
	if why, ok := Refused()[typ]; ok {
		return fmt.Errorf("model_type %s is not read: %s", quote(typ), why)
	}
	if s := spell.Nearest(typ, ModelTypes()); s != "" {
		return fmt.Errorf("model_type %s is none of the %d that are read (the nearest is %s)", quote(typ), len(ModelTypes()), s)
	}
	return fmt.Errorf("model_type %s is none of the %d that are read", quote(typ), len(ModelTypes()))
}

// Import reads a Hugging Face config.json. It never guesses silently. A field is
//
//   - used by the importer of its model_type, absent ones with the default of the
//     Hugging Face configuration class;
//   - harmless (harmlessFields) and skipped;
//   - set aside with a note in Model.Notes (notedField);
//   - or unknown. An unknown field that is null, false, 0 or empty is off and skipped;
//     an unknown string is noted; any other (a number, true, a list, an object) may
//     change the cost, and is an error naming it.
//
// Sizes that every config states (hidden_size, num_hidden_layers, ...) have no default.
func Import(name string, data []byte) (*arch.Model, error) { return ImportBeside(name, data, nil) }

// ImportBeside is Import of a config.json beside which another file says how the
// checkpoint is quantised. What the config itself says comes first.
func ImportBeside(name string, data []byte, beside *quant.Rules) (*arch.Model, error) {
	fields, err := parseConfig(data)
	if err != nil {
		return nil, err
	}
	st := &hfState{}
	c := st.config("", fields)
	typ := c.required("model_type")
	if st.err != nil {
		return nil, st.err
	}
	c.typ = typ
	build := importers()[typ]
	w, ok := wrappers()[typ]
	if _, text := fields["text_config"].(map[string]any); text && !ok && build != nil {
		// A type of a decoder alone, written around one.
		w, ok = wrapper{[]string{"text_config"}, typ, vision}, true
	}
	if ok {
		build = func(c *config) *arch.Model { return c.importWrapped(w) }
	}
	if build != nil {
		m := build(c)
		c.quantization()
		if st.rules == nil {
			st.rules = beside
		}
		if err := st.finish(m); err != nil {
			return nil, fmt.Errorf("%s: %w", typ, err)
		}
		if st.rules != nil {
			text := typ
			if ok {
				text = w.text
			}
			store(m, text, ok && w.inside != nil, st.rules)
		}
		m.Name = name
		return m, nil
	}
	return nil, &FieldError{"model_type", unread(typ)}
}

// FieldError says which field of a configuration is missing or not understood.
type FieldError struct {
	Field string // as in the file, "text_config.head_dim" inside another object
	Err   error
}

func (e *FieldError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *FieldError) Unwrap() error { return e.Err }

// hfState is what one import gathers: its first error, notes, and the objects read.
type hfState struct {
	err     error
	notes   []string
	configs []*config
	rules   *quant.Rules // how the checkpoint is quantised
	mtp     int          // blocks of multi-token prediction
}

// config reads the fields of one object. The first error sticks: after it, reads
// return safe values (1 for a size) and the import ends in that error.
type config struct {
	st     *hfState
	typ    string // model_type whose harmless fields apply
	prefix string // "text_config."
	fields map[string]any
	used   map[string]bool
}

func (st *hfState) config(prefix string, fields map[string]any) *config {
	c := &config{st: st, prefix: prefix, fields: fields, used: map[string]bool{}}
	st.configs = append(st.configs, c)
	return c
}

// finish checks the fields nobody read, then the model.
func (st *hfState) finish(m *arch.Model) error {
	if st.err != nil {
		return st.err
	}
	for _, c := range st.configs {
		c.checkUnused()
	}
	if st.err != nil {
		return st.err
	}
	if err := m.Check(); err != nil {
		return err
	}
	m.Notes, m.MTP = st.notes, st.mtp
	return nil
}

func (c *config) checkUnused() {
	harmless := harmlessFields(c.typ)
	for _, name := range slices.Sorted(maps.Keys(c.fields)) {
		v := c.fields[name]
		if c.used[name] || harmless[name] || off(v) {
			continue
		}
		full := fieldName(c.prefix + name)
		if note := notedField(name); note != "" {
			c.note("%s: %s", full, note)
			if n, ok := v.(float64); ok && strings.Contains(note, "multi-token") {
				c.st.mtp = int(min(max(n, 0), arch.MaxLayers))
			}
			continue
		}
		if s, ok := v.(string); ok {
			c.note("%s %s is not modelled", full, quote(s))
			continue
		}
		if c.st.err == nil {
			c.st.err = &FieldError{c.prefix + name, fmt.Errorf("field %s is not modelled", full)}
		}
		return
	}
}

// off reports whether a value switches its field off.
func off(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func (c *config) fail(format string, args ...any) {
	if c.st.err == nil {
		c.st.err = fmt.Errorf(format, args...)
	}
}

func (c *config) note(format string, args ...any) {
	// What a file names may hold what is no character at all; notes are shown to people.
	c.st.notes = append(c.st.notes, strings.ReplaceAll(fmt.Sprintf(format, args...), "\uFFFD", "?"))
}
