"""The window's surroundings, for properties that are about what the window shows."""

from tests.ui.conftest import _look as _look
from tests.ui.conftest import _loop as _loop
from tests.ui.conftest import answers as answers
from tests.ui.conftest import demo as demo
from tests.ui.conftest import look as look
from tests.ui.conftest import qtbot as qtbot
from tests.ui.conftest import services as services
from tests.ui.conftest import session as session
from tests.ui.conftest import settings as settings
from tests.ui.conftest import ui_loop as ui_loop
from tests.ui.conftest import unexpected as unexpected
