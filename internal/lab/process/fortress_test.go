//go:build realstack

package process_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/lab/process"
	"github.com/geokv/geokv/internal/stack"
)

// fortress is a region as a production cluster has it: a Kafka that wants TLS
// and a login, a Redis that wants TLS and a user, a registry that wants TLS and a
// password. Inside is Kafka's plain listener, for what an administrator does.
type fortress struct {
	*testing.T
	dir                             string
	parts                           stack.Parts
	authority                       *authority
	kafka, inside, redis, registry  string // host:port
	plainRegistry                   string // the same registry without its guard
	caFile, strangerFile, serverPEM string
}

// Passwords. The user's name is geokv everywhere.
const (
	kafkaPassword    = "kafka-right"
	redisPassword    = "redis-right"
	registryPassword = "registry-right"
)

func newFortress(t *testing.T) *fortress {
	t.Helper()
	f := &fortress{T: t, dir: t.TempDir(), parts: parts(t), authority: newAuthority(t)}
	stranger := newAuthority(t)
	f.caFile, f.strangerFile = f.file("ca.pem", f.authority.pem()), f.file("stranger.pem", stranger.pem())
	certificate, key := f.authority.sign(t)
	f.serverPEM = f.file("server.pem", append(key, certificate...))
	f.file("server.crt", certificate)
	f.file("server.key", key)
	for name, password := range map[string]string{
		"kafka": kafkaPassword, "redis": redisPassword, "registry": registryPassword, "wrong": "wrong",
	} {
		f.file(name, []byte(password+"\n"))
	}
	addrs, err := process.FreeAddrs(5)
	if err != nil {
		t.Fatal(err)
	}
	f.kafka, f.inside, f.redis, f.plainRegistry = addrs[0], addrs[1], addrs[2], addrs[3]
	f.startRedis()
	f.startRegistry()
	f.startKafka(addrs[4])
	f.awaitPort("Kafka", f.kafka)
	f.awaitPort("the registry", f.plainRegistry)
	f.guardRegistry(certificate, key)
	return f
}

func (f *fortress) file(name string, text []byte) string {
	f.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		f.Fatal(err)
	}
	return path
}

// run starts a server that ends with the test.
func (f *fortress) run(name string, cmd *exec.Cmd) {
	f.Helper()
	log, err := os.Create(filepath.Join(f.dir, name+".log"))
	if err != nil {
		f.Fatal(err)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = f.dir, log, log
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if log.Close(); f.Failed() {
			text, _ := os.ReadFile(log.Name())
			f.Logf("%s:\n%s", name, text[max(0, len(text)-2000):])
		}
	})
}

func (f *fortress) awaitPort(what, addr string) {
	f.Helper()
	w := world{T: f.T}
	w.await(what, 2*time.Minute, func() error {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// java has the heap and the classes of the process stack.
func (f *fortress) java(kind string, args ...string) *exec.Cmd {
	all := []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-Xshare:auto", "-XX:SharedArchiveFile=" + f.parts.Archive(kind)}
	return exec.Command(f.parts.Java, append(all, args...)...)
}

func (f *fortress) startKafka(controller string) {
	f.Helper()
	const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	file := f.file("broker.properties", []byte(strings.Join([]string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@" + controller,
		"controller.listener.names=CONTROLLER", "inter.broker.listener.name=INSIDE",
		"listeners=INSIDE://" + f.inside + ",GUARDED://" + f.kafka + ",CONTROLLER://" + controller,
		"advertised.listeners=INSIDE://" + f.inside + ",GUARDED://" + f.kafka,
		"listener.security.protocol.map=INSIDE:PLAINTEXT,GUARDED:SASL_SSL,CONTROLLER:PLAINTEXT",
		"listener.name.guarded.ssl.keystore.type=PEM", "listener.name.guarded.ssl.keystore.location=" + f.serverPEM,
		"listener.name.guarded.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"listener.name.guarded.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_geokv=\"" + kafkaPassword + "\";",
		"listener.name.guarded.scram-sha-256.sasl.jaas.config=" + scram, "listener.name.guarded.scram-sha-512.sasl.jaas.config=" + scram,
		"log.dirs=" + filepath.Join(f.dir, "kafka-data"), "auto.create.topics.enable=false", "group.initial.rebalance.delay.ms=0",
		"offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1", "log.cleaner.dedupe.buffer.size=4194304",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "",
	}, "\n")))
	format := f.java("kafka", "-cp", f.parts.Libs, "kafka.tools.StorageTool", "format", "--cluster-id", "AAAAAAAAQACAAAAAAAAAAA", "--config", file)
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		format.Args = append(format.Args, "--add-scram", mechanism+"=[name=geokv,password="+kafkaPassword+"]")
	}
	if text, err := format.CombinedOutput(); err != nil {
		f.Fatalf("format: %v\n%s", err, text)
	}
	f.run("kafka", f.java("kafka", "-cp", f.parts.Libs, "kafka.Kafka", file))
}

// startRedis starts a Redis whose user geokv may do what a view needs and no
// administration.
func (f *fortress) startRedis() {
	f.Helper()
	_, port, _ := net.SplitHostPort(f.redis)
	file := f.file("redis.conf", []byte(strings.Join([]string{
		"bind 127.0.0.1", "port 0", "tls-port " + port, "tls-auth-clients no", `save ""`,
		"tls-cert-file " + filepath.Join(f.dir, "server.crt"), "tls-key-file " + filepath.Join(f.dir, "server.key"), "tls-ca-cert-file " + f.caFile,
		"user default off", "user geokv on >" + redisPassword + " ~* &* +@all -@admin", "user admin on >admin ~* &* +@all", "",
	}, "\n")))
	f.run("redis", exec.Command(f.parts.Redis, file))
	f.awaitPort("Redis", f.redis)
}

func (f *fortress) startRegistry() {
	f.Helper()
	_, port, _ := net.SplitHostPort(f.plainRegistry)
	f.run("registry", f.java("registry", "-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port="+port, "-Dquarkus.log.level=WARN",
		"-Dapicurio.storage.kind=sql", "-Dapicurio.storage.sql.kind=h2", "-Dapicurio.datasource.url=jdbc:h2:mem:registry", "-jar", f.parts.Runner))
}

// guardRegistry puts TLS and a password before the registry.
func (f *fortress) guardRegistry(certificate, key []byte) {
	f.Helper()
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		f.Fatal(err)
	}
	target := &url.URL{Scheme: "http", Host: f.plainRegistry}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "geokv" || subtle.ConstantTimeCompare([]byte(password), []byte(registryPassword)) != 1 {
			rw.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(rw, "who are you?", http.StatusUnauthorized)
			return
		}
		r.Header.Del("Authorization")
		proxy.ServeHTTP(rw, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	f.Cleanup(server.Close)
	f.registry = server.Listener.Addr().String()
	w := world{T: f.T}
	w.await("the registry answers", time.Minute, func() error {
		answer, err := http.Get("http://" + f.plainRegistry + "/apis/ccompat/v7/subjects")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				err = fmt.Errorf("it says %s", answer.Status)
			}
		}
		return err
	})
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, certificate: &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}}
	raw, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// sign makes a certificate for the loopback.
func (a *authority) sign(t *testing.T) (certificate, key []byte) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.certificate, own.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// geokvYAML is a configuration of one region; what is left out is right.
type geokvYAML struct {
	region, mechanism, kafkaSecret, redisUser, redisSecret, registrySecret string
	kafkaCA, redisCA, registryCA                                           string
	noTLS, noLogin, redisPlain                                             bool
	registryURL                                                            string
}

func (f *fortress) write(c geokvYAML) string {
	f.Helper()
	or := func(s *string, standard string) {
		if *s == "" {
			*s = standard
		}
	}
	or(&c.region, "us")
	or(&c.mechanism, "SCRAM-SHA-512")
	or(&c.kafkaSecret, "kafka")
	or(&c.redisUser, "geokv")
	or(&c.redisSecret, "redis")
	or(&c.registrySecret, "registry")
	for _, ca := range []*string{&c.kafkaCA, &c.redisCA, &c.registryCA} {
		or(ca, "ca.pem")
	}
	or(&c.registryURL, "https://"+f.registry+"/apis/ccompat/v7")
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("regions:\n  - name: %s\n    index: 0\n    kafka:\n      brokers: [%q]", c.region, f.kafka)
	if !c.noTLS {
		say("      tls: {enabled: true, ca_file: %s}", c.kafkaCA)
	}
	if !c.noLogin {
		say("      sasl: {mechanism: %s, user: geokv, password_file: %s}", c.mechanism, c.kafkaSecret)
	}
	scheme, encryption := "rediss", "\n      tls: {ca_file: "+c.redisCA+"}"
	if c.redisPlain {
		scheme, encryption = "redis", ""
	}
	say("    redis:\n      url: %s://%s\n      user: %s\n      password_file: %s%s", scheme, f.redis, c.redisUser, c.redisSecret, encryption)
	say("registry:\n  url: %s\n  user: geokv\n  password_file: %s\n  tls: {ca_file: %s}", c.registryURL, c.registrySecret, c.registryCA)
	file, err := os.CreateTemp(f.dir, "geokv-*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(b.String()); err != nil {
		f.Fatal(err)
	}
	return file.Name()
}

// said is what a command answered.
type said struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// geokv runs a command with a configuration, a cache of schemas of its own and a
// deadline, after which it is killed.
func (f *fortress) geokv(binary, config string, args ...string) said {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(args, "--config", config)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+f.TempDir(), "GEOKV_DATA="+f.TempDir())
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	if ctx.Err() != nil {
		stderr.WriteString("[killed after a minute]")
	} else if _, exited := err.(*exec.ExitError); err != nil && !exited {
		f.Fatal(err)
	}
	return said{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(began)}
}

// trust is the configuration of a client that knows the authority.
func (a *authority) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return &tls.Config{RootCAs: pool}
}
