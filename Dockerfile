# policygen in a container that is not root, and without pip's cache:
#   docker build -t policygen .
#   docker run --rm --user "$(id -u)" -v "$PWD:/work" policygen suggest --role orders-api --logs samples/trail --snapshot samples/account.json
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE constraints.txt ./
COPY policygen policygen
RUN python -m venv /opt/policygen \
    && /opt/policygen/bin/pip install --no-cache-dir --constraint constraints.txt '.[fast,verify]' \
    && /opt/policygen/bin/pip uninstall --yes pip

FROM python:3.13-slim
COPY --from=build /opt/policygen /opt/policygen
RUN useradd --uid 10001 --create-home policygen
USER 10001
WORKDIR /work
ENTRYPOINT ["/opt/policygen/bin/policygen"]
CMD ["--help"]
