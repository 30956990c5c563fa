package avro

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/geokv/geokv/internal/fail"
)

// ErrUnknownSchema is what a Registry's errors wrap when it answered and does
// not know the id, as against not answering.
var ErrUnknownSchema = errors.New("schema id is not known to the registry")

// Registry is what the codec needs of a schema registry.
type Registry interface {
	// Schema returns the Avro JSON under an id. The error wraps
	// ErrUnknownSchema when the registry answered that it has none.
	Schema(ctx context.Context, id int) (string, error)
	// Register makes sure that the subject holds the schema and demands
	// BACKWARD_TRANSITIVE of later ones, and returns the schema's id.
	Register(ctx context.Context, subject, schema string) (int, error)
}

// RegistryConfig names a schema registry that speaks Confluent's API. URL may
// have a path (Apicurio: /apis/ccompat/v7).
type RegistryConfig struct {
	URL            string
	User, Password string       // basic authentication when User is set
	TLS            *tls.Config  // for https with own authorities or client certificates
	HTTP           *http.Client // nil: a client with a timeout of 5 s
}

const registryTimeout = 5 * time.Second

// registryClient is the Registry over HTTP.
type registryClient struct {
	url string // without credentials, for messages
	sr  *sr.Client
}

// NewRegistryClient makes a client; it does not connect yet. The error is a
// *fail.Error about the configuration.
func NewRegistryClient(cfg RegistryConfig) (Registry, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fail.New(fail.Usage, "registry URL %q is not http(s)://host[:port][/path]", redact(cfg.URL)).
			WithHint("set registry.url in geokv.yaml")
	}
	if u.User != nil {
		if cfg.User == "" {
			cfg.User = u.User.Username()
			cfg.Password, _ = u.User.Password()
		}
		u.User = nil
	}
	client := cfg.HTTP
	if client == nil {
		client = &http.Client{Timeout: registryTimeout}
	}
	opts := []sr.ClientOpt{sr.URLs(u.String()), sr.HTTPClient(client), sr.UserAgent("geokv")}
	if cfg.TLS != nil {
		opts = append(opts, sr.DialTLSConfig(cfg.TLS))
	}
	if cfg.User != "" {
		opts = append(opts, sr.BasicAuth(cfg.User, cfg.Password))
	}
	cl, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "configure registry %s", u)
	}
	return &registryClient{url: u.String(), sr: cl}, nil
}

// redact drops credentials from a URL that does not parse well enough to be used.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable)"
	}
	return u.Redacted()
}

func (c *registryClient) Schema(ctx context.Context, id int) (string, error) {
	schema, err := c.sr.SchemaByID(ctx, id)
	if err != nil {
		return "", c.explain(err, "fetch schema %d", id)
	}
	if schema.Type != sr.TypeAvro || len(schema.References) > 0 {
		return "", fail.New(fail.Unavailable, "fetch schema %d from registry %s: it is %s with %d references, not a plain Avro schema",
			id, c.url, schema.Type, len(schema.References))
	}
	return schema.Schema, nil
}

// Register only reads where everything is as it should be, so that a principal
// without write access can start once the subject exists.
func (c *registryClient) Register(ctx context.Context, subject, schema string) (int, error) {
	// The level first, so that the registry checks this very registration.
	// Registries that know no level for an unknown subject get it afterwards.
	levelErr := c.demandBackwardTransitive(ctx, subject)
	if levelErr != nil && !isStatus(levelErr, http.StatusNotFound) {
		return 0, c.explain(levelErr, "set compatibility of %s to BACKWARD_TRANSITIVE", subject)
	}
	id, err := c.lookupOrCreate(ctx, subject, sr.Schema{Schema: schema, Type: sr.TypeAvro})
	if err != nil {
		return 0, c.explain(err, "register the event schema as %s", subject)
	}
	if levelErr != nil {
		if err := c.demandBackwardTransitive(ctx, subject); err != nil {
			return 0, c.explain(err, "set compatibility of %s to BACKWARD_TRANSITIVE", subject)
		}
	}
	return id, nil
}

// demandBackwardTransitive sets the subject's own level. A global default that
// happens to be the same would not do: it can change.
func (c *registryClient) demandBackwardTransitive(ctx context.Context, subject string) error {
	own := sr.WithParams(ctx, sr.RawParams(url.Values{"defaultToGlobal": {"false"}}))
	now := c.sr.Compatibility(own, subject)[0]
	if now.Err == nil && now.Level == sr.CompatBackwardTransitive {
		return nil
	}
	if now.Err != nil && !isStatus(now.Err, http.StatusNotFound) {
		return now.Err
	}
	return c.sr.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatBackwardTransitive}, subject)[0].Err
}

func (c *registryClient) lookupOrCreate(ctx context.Context, subject string, schema sr.Schema) (int, error) {
	found, err := c.sr.LookupSchema(ctx, subject, schema)
	if err == nil {
		return found.ID, nil
	}
	if !isStatus(err, http.StatusNotFound) {
		return 0, err
	}
	return c.sr.RegisterSchema(ctx, subject, schema, -1, -1)
}

func isStatus(err error, status int) bool {
	var r *sr.ResponseError
	return errors.As(err, &r) && r.StatusCode == status
}

// explain turns an error of the client into one with a code and a remedy.
func (c *registryClient) explain(err error, format string, args ...any) error {
	e := fail.Wrap(fail.Unavailable, err, format+" at registry %s", append(args, c.url)...)
	var (
		r         *sr.ResponseError
		unknownCA x509.UnknownAuthorityError
	)
	if errors.As(err, &unknownCA) {
		return fail.New(fail.NotAllowed, format+" at registry %s: its certificate is signed by an unknown authority", append(args, c.url)...).
			WithHint("set registry.tls.ca_file to the certificate of the authority that signed it")
	}
	if !errors.As(err, &r) {
		return e.WithHint("check that the registry runs at %s (registry.url)", c.url)
	}
	switch r.StatusCode {
	case http.StatusNotFound:
		e.Err = fmt.Errorf("%w: %w", ErrUnknownSchema, err)
		return e.WithHint("check that registry.url names this cluster's registry; if it was wiped, restore its schemas with their ids")
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Code = fail.NotAllowed
		return e.WithHint("check the registry's user and password, and that the user may read and register *.events-value")
	case http.StatusConflict:
		e.Code = fail.Rejected
		return e.WithHint("the subject holds a schema that this version's cannot read; another program registered it, or this geokv is older than one that ran before")
	}
	return e
}

// shippedRegistry knows the schemas of Shipped and nothing else.
type shippedRegistry struct{ schemas []ShippedSchema }

// NewShippedRegistry returns a Registry without a server: it knows the shipped
// schemas under their fixed ids. It serves clusters that live in one process.
func NewShippedRegistry() Registry { return shippedRegistry{Shipped()} }

func (r shippedRegistry) Schema(_ context.Context, id int) (string, error) {
	for _, s := range r.schemas {
		if s.ID == id {
			return s.Schema, nil
		}
	}
	return "", fail.Wrap(fail.Unavailable, ErrUnknownSchema, "fetch schema %d", id)
}

func (r shippedRegistry) Register(_ context.Context, subject, schema string) (int, error) {
	for _, s := range r.schemas {
		if s.Schema == schema {
			return s.ID, nil
		}
	}
	return 0, fail.New(fail.Rejected, "register %s: not a schema that geokv ships", subject)
}
