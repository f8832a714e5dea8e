# docker build --build-arg VERSION=v1.0.0 --build-arg REVISION=$(git rev-parse HEAD) -t user-manager .
#
# .ci/image proves what comes of this, without Docker: it reads the last stage below.

FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
ARG TARGETARCH VERSION=dev REVISION=unknown
ENV GOTOOLCHAIN=local
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN .ci/image-root /image "$TARGETARCH"

FROM scratch
ARG VERSION=dev REVISION=unknown
LABEL org.opencontainers.image.title="user-manager" \
      org.opencontainers.image.description="Manages the users of an application, in a store and at an authentication provider" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /image/etc/ /etc/
COPY --from=build --chown=65532:65532 /image/tmp/ /tmp/
COPY --from=build --chown=65532:65532 /image/data/ /data/
COPY --from=build /image/user-manager /user-manager
ENV HTTP_HOST=0.0.0.0
ENV EMBEDDED_PATH=/data/user-manager.db
WORKDIR /data
VOLUME /data
USER 65532:65532
EXPOSE 3000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/user-manager"]
