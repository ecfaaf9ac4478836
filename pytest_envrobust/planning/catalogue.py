"""The catalogue: every environment that a model's sources can be brought to, and the plan that brings it there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from pytest_envrobust.backends import engines
from pytest_envrobust.backends.base import Backend, Compiler, Option
from pytest_envrobust.conversion.base import Step
from pytest_envrobust.conversion.routes import Route, shortest
from pytest_envrobust.conversion.steps import steps
from pytest_envrobust.core.devices import DEVICES
from pytest_envrobust.core.environment import CONVERTED, Environment, SourceKey
from pytest_envrobust.core.errors import DeclarationError, NoRoute, Unavailable
from pytest_envrobust.core.requirements import INTERPRETERS, Requirement
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.environments.availability import accelerator_absence, missing
from pytest_envrobust.environments.interpreters import GivenInterpreter, has_package, remedy
from pytest_envrobust.environments.machine import above_the_processor, this_machine
from pytest_envrobust.environments.places import HERE, Place, emulated_places
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.frameworks.base import BaseFramework


@dataclass(frozen=True)
class Plan:
    """How an environment is reached: the route's steps, then this compiler of this engine.

    ``absent`` says why it cannot run here, where that is known without starting anything; ``interpreters`` are those
    that steps on the way may run in. ``place`` is where the engine's worker runs: the steps before it run here.
    """

    environment: Environment
    backend: Backend
    compiler: Compiler
    route: Route
    absent: Unavailable | None = None
    interpreters: Mapping[str, GivenInterpreter] = field(default_factory=dict)
    place: Place = HERE

    @property
    def device(self) -> str:
        """What the engine is told to use: the environment's device or, at a place of its own, the device there."""
        return self.environment.device if self.place is HERE else self.place.device

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """All that must be installed, the source's framework included, each once."""
        return tuple(dict.fromkeys((*self.prepares, *self.executes)))

    @property
    def prepares(self) -> tuple[Requirement, ...]:
        """What reads the source and walks the route, in this Python."""
        return (*frameworks()[self.environment.source_framework].requires, *self.route.requires)

    @property
    def executes(self) -> tuple[Requirement, ...]:
        """What the engine's worker needs, wherever it runs."""
        return (*self.backend.requires, *self.compiler.requires)

    @property
    def way(self) -> tuple[str, ...]:
        """The route as the record shows it: the source, the steps, the compiler."""
        return (self.environment.source, *self.route.names, self.compiler.name)


class Catalogue:
    """All engines, frameworks and steps, and what follows from them."""

    def __init__(
        self,
        backends: Mapping[str, Backend] | None = None,
        definitions: Mapping[str, BaseFramework] | None = None,
        conversions: Mapping[str, Step] | None = None,
        interpreters: Mapping[str, GivenInterpreter] | None = None,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        self.backends = engines() if backends is None else backends
        self.frameworks = frameworks() if definitions is None else definitions
        self.steps = steps() if conversions is None else conversions
        self.interpreters: Mapping[str, GivenInterpreter] = interpreters or {}
        self.places: Mapping[str, Place] = emulated_places() if places is None else places

    @property
    def named_only(self) -> frozenset[str]:
        """Compilers and devices that are taken only when named."""
        compilers = (compiler.name for _, compiler in self._compilers() if compiler.named_only)
        return frozenset((*compilers, *(place.name for place in self.places.values() if place.is_emulated)))

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        """All packages that any framework, step or engine needs, each once."""
        every = [framework.requires for framework in self.frameworks.values()]
        every += [step.requires for step in self.steps.values()]
        every += [backend.requires for backend in self.backends.values()]
        return tuple(dict.fromkeys(item for requires in every for item in requires))

    def device_options(self, device: str) -> dict[str, Option]:
        """The settings that any engine has on a device, with their defaults."""
        devices = [backend.devices[device] for backend in self.backends.values() if device in backend.devices]
        return {name: value for found in devices for name, value in found.options.items()}

    def environments(self, native: Sequence[str]) -> tuple[Environment, ...]:
        """Every environment that the sources of these keys have a route to, whether or not it can run here."""
        return tuple(self._environments(tuple(native)))

    @cached_property
    def everything(self) -> tuple[Environment, ...]:
        """Every environment that any model could have, those recorded elsewhere among them."""
        return (*self.environments(tuple(self.frameworks)), *map(Environment.recorded, self.frameworks))

    def defaults(self, native: Sequence[str]) -> tuple[Environment, ...]:
        """Each engine's own default level on the CPU, for each native source.

        One whose route needs an interpreter of its own is among them once that is given.
        """
        return tuple(
            environment
            for environment in self.environments(native)
            if environment.device == "cpu"
            and not environment.is_converted
            and self._entry(environment)[1].default
            and not _lacking(self.plan(environment, native))
        )

    def reference(self, native: Sequence[str]) -> Environment:
        """The environment that others are compared with unless the user says otherwise."""
        key = SourceKey.parse(native[0])
        return Environment(key.framework, self.frameworks[key.framework].reference_compiler, "cpu", key.variant)

    def plan(self, environment: Environment, native: Sequence[str]) -> Plan:
        """How to reach that environment from the sources of these keys, ``onnx`` or ``onnx:int8``.

        Of routes of different steps, one whose packages and interpreters are here is preferred to a shorter one whose
        are not.
        Raises `DeclarationError` where no engine has that compiler, `NoRoute` where no steps lead there.
        """
        backend, compiler = self._entry(environment)
        route = self._route(environment, compiler, tuple(native))
        if route is None:
            raise _no_route(environment, compiler, native)
        place = self.places.get(environment.device, HERE)
        plan = Plan(environment, backend, compiler, route, interpreters=self.interpreters, place=place)
        return replace(plan, absent=_absence(plan))

    def _compilers(self) -> Iterator[tuple[Backend, Compiler]]:
        for backend in self.backends.values():
            for compiler in backend.compilers:
                yield backend, compiler

    def _entry(self, environment: Environment) -> tuple[Backend, Compiler]:
        for backend, compiler in self._compilers():
            executes = compiler.frameworks is None or environment.definition in compiler.frameworks
            if compiler.name == environment.compiler and executes:
                return backend, compiler
        raise DeclarationError(
            f"{environment.id} is not an environment",
            cause=f"no engine executes {environment.definition} by {environment.compiler!r}",
            remedy="`envrobust doctor` lists them",
        )

    def _environments(self, native: tuple[str, ...]) -> Iterator[Environment]:
        for key in map(SourceKey.parse, native):
            for framework in (key.framework, *self._conversions(key.framework)):
                # A framework's own executors first: the reference is one of them.
                for backend, compiler in sorted(self._compilers(), key=lambda entry: entry[1].frameworks is None):
                    if self._is_offered(framework, compiler) and self._reaches(framework, compiler):
                        for name, device in DEVICES.items():
                            if name in backend.devices or not device.is_accelerator:
                                yield Environment(framework, compiler.name, name, key.variant)
                        for name in self.places:
                            yield Environment(framework, compiler.name, name, key.variant)

    def _conversions(self, source: str) -> Iterator[str]:
        for target in self.frameworks:
            if target != source and shortest(source, [target], self.steps.values()):
                yield f"{source}{CONVERTED}{target}"

    def _is_offered(self, framework: str, compiler: Compiler) -> bool:
        """A converted framework is offered under its own executors; the others would repeat the native one's route."""
        if compiler.frameworks is None:
            return CONVERTED not in framework
        return framework.split(CONVERTED)[-1] in compiler.frameworks

    def _reaches(self, framework: str, compiler: Compiler) -> bool:
        environment = Environment(framework, compiler.name, "cpu")
        return self._route(environment, compiler, (environment.source,)) is not None

    def _is_here(self, step: Step) -> bool:
        return not missing(step.requires) and (not step.interpreter or step.interpreter in self.interpreters)

    def _route(self, environment: Environment, compiler: Compiler, native: tuple[str, ...]) -> Route | None:
        if environment.source not in native:
            return None
        installed = [step for step in self.steps.values() if self._is_here(step)]
        return _through(environment, compiler, installed) or _through(environment, compiler, self.steps.values())


def _no_route(environment: Environment, compiler: Compiler, native: Sequence[str]) -> NoRoute:
    if environment.variant and environment.source not in native:
        return NoRoute(
            f"no route to {environment.id}",
            cause=f"the model has no source {environment.source!r}, but {', '.join(native)}",
            remedy=did_you_mean(environment.source, native, "give it one: sources={..., 'onnx:int8': 'int8.onnx'}"),
        )
    return NoRoute(
        f"no route to {environment.id}",
        cause=f"no conversion leads from the model's {' or '.join(native)} source to what "
        f"{compiler.name} loads ({', '.join(compiler.forms)})",
        remedy="give the model a source in that framework",
    )


def _lacking(plan: Plan) -> list[Step]:
    """The steps on the way whose interpreter was not given."""
    return [step for step in plan.route.steps if step.interpreter and step.interpreter not in plan.interpreters]


def _through(environment: Environment, compiler: Compiler, usable: Iterable[Step]) -> Route | None:
    usable = list(usable)
    first = Route(environment.source_framework)
    if environment.is_converted:
        converted = shortest(environment.source_framework, [environment.definition], usable)
        if converted is None:
            return None
        first = converted
    rest = shortest(first.target, compiler.forms, usable, after=first.steps[-1] if first.steps else None)
    return None if rest is None else first + rest


def _absence(plan: Plan) -> Unavailable | None:
    backend, place = plan.backend, plan.place
    if place.absent is not None:
        return place.absent
    if lacking := missing(plan.prepares if place.is_elsewhere else plan.requires):
        names = " and ".join(item.module for item in lacking)
        extras = ",".join(dict.fromkeys(item.extra for item in lacking))
        verb = "is" if len(lacking) == 1 else "are"
        return Unavailable(f"{names} {verb} not installed", remedy=f"pip install 'pytest-envrobust[{extras}]'")
    if place.packages is not None:
        for requirement in plan.executes:
            if not has_package(place.packages, requirement):
                name = requirement.candidates[0]
                return Unavailable(
                    f"{name} is not installed in {place.name}", remedy=f"{place.python} -m pip install {name}"
                )
    if alone := _lacking(plan):
        name = alone[0].interpreter
        return Unavailable(
            f"{alone[0].name} needs an interpreter of its own, {name}",
            cause="its packages cannot be installed beside the others",
            remedy=remedy(INTERPRETERS[name]),
        )
    device = backend.devices.get(plan.device)
    if device is None:
        reason = backend.no_ceiling or f"{backend.engine} has no way to hold to it"
        if place.protocol:
            reason = f"{backend.engine} does not speak {place.protocol}"
        return Unavailable(f"{backend.engine} has no device {plan.device}", cause=reason)
    if strange := sorted(place.options.keys() - device.options.keys()):
        return Unavailable(f"{backend.engine} has no option {strange[0]} of {plan.device}")
    if not (place.is_emulated or place.host) and (reason := above_the_processor(plan.device, this_machine())):
        return Unavailable(f"{plan.device} is above this machine", cause=reason, remedy="run it on a newer processor")
    if plan.compiler.name in device.absent:
        return Unavailable(f"{plan.compiler.name} cannot run on {plan.device}", cause=device.absent[plan.compiler.name])
    return None if place.host else accelerator_absence(plan.device)
