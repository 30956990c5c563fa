#!/usr/bin/env bash
# Runs compose/compose.yaml with images built on this machine, for places where
# no image registry is reachable: up, a round trip through every region, down.
# Needs: root, docker (with compose), debootstrap, `geokv stack fetch` done.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${WORK:-$(mktemp -d)}
parts=${GEOKV_STACK:-$HOME/.cache/geokv/stack}
parts=$(ls -d "$parts"/kafka-*/ | tail -1)

compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}
export DOCKER_BUILDKIT=${DOCKER_BUILDKIT:-0} # buildx is not always there
step() { printf '\n== %s\n' "$*"; }

step "geokv (static, from scratch)"
CGO_ENABLED=0 go build -buildvcs=false -trimpath -o "$work/geokv" ./cmd/geokv
mkdir -p "$work/image/cache" && cp "$work/geokv" "$work/image/"
docker build -q -t geokv:local -f - "$work/image" <<'D'
FROM scratch
COPY --chown=65532:65532 cache /cache
COPY geokv /geokv
USER 65532:65532
ENTRYPOINT ["/geokv"]
D

if ! docker image inspect geokv-local/base >/dev/null 2>&1; then
  step "Debian with a JRE and redis-server"
  debootstrap --variant=minbase --include=bash,curl,ca-certificates,openjdk-17-jre-headless,redis-server bookworm "$work/debian" >"$work/debootstrap.log"
  tar -C "$work/debian" -c . | docker import - geokv-local/base >/dev/null
fi

step "Kafka and MirrorMaker 2, with the interface of apache/kafka"
mkdir -p "$work/kafka" && cp -r "$parts/libs" "$work/kafka/"
cat >"$work/kafka/run" <<'D'
#!/bin/bash
# KAFKA_LOG_DIRS=x becomes log.dirs=x, as in the apache/kafka image.
set -e
env | grep '^KAFKA_' | grep -v '^KAFKA_HEAP_OPTS=' | while IFS='=' read -r name value; do
  name=${name#KAFKA_}; name=${name,,}; echo "${name//_/.}=$value"
done >/tmp/server.properties
java -Xmx128m -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format --cluster-id "$CLUSTER_ID" --config /tmp/server.properties --ignore-formatted
exec java $KAFKA_HEAP_OPTS -cp '/opt/kafka/libs/*' kafka.Kafka /tmp/server.properties
D
cat >"$work/kafka/connect-mirror-maker.sh" <<'D'
#!/bin/bash
exec java $KAFKA_HEAP_OPTS -cp '/opt/kafka/libs/*' org.apache.kafka.connect.mirror.MirrorMaker "$@"
D
chmod +x "$work/kafka/run" "$work/kafka/connect-mirror-maker.sh"
docker build -q -t geokv-local/kafka:4.3.1 -f - "$work/kafka" <<'D'
FROM geokv-local/base
RUN useradd -r appuser && mkdir -p /var/lib/kafka/data && chown appuser /var/lib/kafka/data
COPY libs /opt/kafka/libs
COPY run /etc/kafka/docker/run
COPY connect-mirror-maker.sh /opt/kafka/bin/connect-mirror-maker.sh
USER appuser
CMD ["/etc/kafka/docker/run"]
D

step "the schema registry"
docker build -q -t geokv-local/registry:3.0.9 -f - "$parts/registry" <<'D'
FROM geokv-local/base
COPY . /deployments
ENV QUARKUS_HTTP_HOST=0.0.0.0
CMD ["sh", "-c", "exec java $JAVA_OPTS -jar /deployments/apicurio-registry-app-3.0.9-runner.jar"]
D
docker tag geokv-local/base geokv-local/redis:7.0.15

export GEOKV_KAFKA_IMAGE=geokv-local/kafka:4.3.1 GEOKV_REGISTRY_IMAGE=geokv-local/registry:3.0.9
export GEOKV_REDIS_IMAGE=geokv-local/redis:7.0.15 GEOKV_REDIS_PASSWORD=${GEOKV_REDIS_PASSWORD:-geokv-lab}
down() { compose -p geokv -f compose/compose.yaml down -v >/dev/null 2>&1 || true; }
trap 'status=$?; [ $status = 0 ] || compose -p geokv -f compose/compose.yaml logs --no-color --tail=8; down' EXIT

step "up"
began=$(date +%s)
compose -p geokv -f compose/compose.yaml up -d --no-build
for _ in $(seq 150); do
  curl -fsS http://127.0.0.1:8080/readyz >/dev/null 2>&1 && break
  sleep 1
done
curl -fsS http://127.0.0.1:8080/readyz >/dev/null
echo "ready after $(($(date +%s) - began)) s"
compose -p geokv -f compose/compose.yaml ps

step "health, as each container says"
healthy() { docker ps -q --filter label=com.docker.compose.project=geokv --filter "health=$1" | wc -l; }
for _ in $(seq 60); do
  [ "$(healthy starting)" = 0 ] && break
  sleep 1
done
echo "$(healthy healthy) healthy, $(healthy unhealthy) unhealthy, $(healthy starting) not known"
[ "$(healthy healthy)" = 11 ]

step "round trip"
for region in us eu ap; do
  "$work/geokv" --config compose/local.yaml produce --direct incr sales:total 1 --region "$region" --wait-all
done
"$work/geokv" --config compose/local.yaml get sales:total --region all
"$work/geokv" --config compose/local.yaml status --until converged

step "down"
