"""The composition: what front ends may know, and the one place that knows everyone."""

from kdeploy_gui.app.artifacts import Artifacts as Artifacts
from kdeploy_gui.app.artifacts import parse_ref as parse_ref
from kdeploy_gui.app.consoles import ConsoleDesk as ConsoleDesk
from kdeploy_gui.app.consoles import ConsoleSession as ConsoleSession
from kdeploy_gui.app.demo import open_demo as open_demo
from kdeploy_gui.app.home import Home as Home
from kdeploy_gui.app.home import home_from_environment as home_from_environment
from kdeploy_gui.app.inventory import Inventory as Inventory
from kdeploy_gui.app.packaging import Package as Package
from kdeploy_gui.app.plans import DeployOptions as DeployOptions
from kdeploy_gui.app.plans import Drafted as Drafted
from kdeploy_gui.app.plans import Planned as Planned
from kdeploy_gui.app.plans import Plans as Plans
from kdeploy_gui.app.retrying import Replanned as Replanned
from kdeploy_gui.app.services import Services as Services
from kdeploy_gui.app.services import failure_of as failure_of
from kdeploy_gui.app.services import html_report as html_report
from kdeploy_gui.app.services import open_services as open_services
from kdeploy_gui.app.workstation import examine_workstation as examine_workstation
