"""Stack traces of all architectures: the functions in them that say where it happened."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST = 8
"""Frames that are kept."""
_SUFFIX = re.compile(r"\.(?:constprop|isra|part|cold|llvm|lto_priv)\b.*")
_NAME = r"(?P<function>[A-Za-z_][\w.$]*)"
_OFFSET = r"\+0x[0-9a-f]{1,8}(?:/0x[0-9a-f]{1,8})?"
_MODULE = r"(?: \[(?P<module>[\w-]{1,64})[^\]]{0,60}\])?"
_FRAMES = (
    re.compile(rf"\s*(?:\[[<0-9a-f>]{{8,20}}\] ?){{0,3}}{_NAME}{_OFFSET}{_MODULE}"),
    re.compile(rf"\s*(?:\[<[0-9a-f]{{8,16}}>\] )?\({_NAME}(?:{_OFFSET})?{_MODULE}\) from "),
    re.compile(rf"\s*{_NAME}{_MODULE} from [A-Za-z_]"),
)
_PLACE = re.compile(
    rf"(?:RIP: [0-9a-f]{{4}}:|pc : |epc : |PC is at |NIP \[[0-9a-f]+\] )(?:\[<[0-9a-f]+>\] ?)?{_NAME}{_OFFSET}{_MODULE}"
)
_MACHINERY = r"""
    # what prints
    _{0,2}dump_(?:stack|backtrace)(?:_lvl|_print_info)? | _{0,2}show_stack | print_report | end_report | unwind_\w+
    | print_address_description\w* | arch_stack_walk | stack_trace_\w+ | save_stack\w* | panic | die(?:_\w+)? | __die\w*
    | _{0,2}warn(?:_printk|_slowpath_\w+)? | report_bug | handle_bug | fixup_bug | oops_\w+ | trigger_\w*backtrace\w*
    | nmi_\w+ | rcu_dump_\w+ | watchdog_\w+ | arch_trigger_\w+ | __schedule_bug | schedule_debug
    # sanitizers
    | kasan_(?:report\w*|check_(?:range|bytes?)|save_\w+|set_track|complete_mode_report_info) | _{2,4}kasan_\w+
    | check_region_inline | __(?:asan|hwasan|tsan|msan|sanitizer_cov|ubsan|cfi)_\w+ | kcsan_(?:report|setup|found)\w*
    | kmsan_\w+ | kfence_report_\w+ | check_canary | ubsan_\w+ | handle_overflow | val_to_string | write_comp_data
    | instrument_\w+
    # lockdep and its like
    | print_(?:circular|deadlock|usage|bad|irq|unlock|lock|freed|held|lockdep)\w* | validate_chain | mark_\w*lock\w*
    | check_(?:noncircular|prevs?_add|irq_usage|deadlock|wait_context|usage\w*|path|chain_key) | register_lock_class
    | lockdep_\w+ | debug_check_no_\w+ | _{0,2}lock_(?:acquire|release|set_class|downgrade)\w* | assign_lock_key
    | _{0,3}might_(?:sleep|resched|fault)\w* | check_preemption_disabled | debug_smp_processor_id
    # how an exception comes
    | no_context | (?:__)?bad_area\w* | page_fault_oops | kernelmode_fixup_or_oops\w* | do_(?:kern|user)_addr_fault
    | (?:__)?do_(?:page_fault|kernel_fault|mem_abort|translation_fault|DataAbort|PrefetchAbort|undefinstr|invalid_op)
    | do_(?:error_trap|trap\w*|bad_area) | exc_\w+ | asm_\w+ | el1h?t?_\w+ | (?:brk|bug)_handler | error_entry
    | \w*sysvec_\w+ | handle_exception | _{0,2}irq_svc | __(?:dabt|und|pabt)_svc | call_on_irq_stack
    # checks of lists, objects, pages
    | refcount_\w+ | __list_(?:add|del)\w* | bad_page\w* | __bad_\w+ | free_page_is_bad\w* | object_err
    | debug_(?:print_object|object_\w+) | __debug_(?:check|object)\w* | slab_(?:err|bug|pad_check|fix)\w*
    | check_(?:bytes_and_report|object|slab) | free_debug_processing | alloc_debug_processing | spin_(?:bug|dump)\w*
    # what everybody calls
    | _{0,3}slab_(?:free|alloc)\w* | do_slab_free | free_to_partial_list | free_large_kmalloc
    | _{0,3}(?:kmem_)?cache_(?:free|alloc)(?:_bulk|_node|_lru|_noprof)*
    | _{0,2}k[vz]?free(?:_sensitive|_rcu)? | ksize | __ksize
    | _{0,2}k(?:[mzc]|re)alloc(?:_node|_array|_large|_trace|_track|_caller|_noprof)*
    | _{0,2}(?:pi_|memory_)?(?:mem(?:cpy|set|move|cmp|chr)|str(?:n?len|n?cmp|[ln]?cpy|scpy|[ln]?cat|r?chr|str))(?:_\w+)?
    | sized_str\w+ | _{0,2}copy_(?:to|from)_user\w*
    | (?:_raw|__raw|do_raw|queued|native_queued|_{0,2}pv_queued)_(?:spin|read|write)_\w+ | (?:_raw_)?spin_lock\w*
    | _{0,2}mutex_lock\w* | down_(?:read|write)\w* | rwsem_\w+ | _{0,2}down(?:_\w+)? | (?:__)?rt_mutex_\w+
    | _{0,2}schedule\w* | __switch_to\w* | io_schedule\w* | (?:__)?wait_for_com\w+ | do_wait_for_common
    | preempt_schedule\w* | __cond_resched\w* | (?:__)?bit_wait\w* | (?:__)?wait_on_\w+ | out_of_line_wait_on_bit\w*
    """
"""Reporters, exception entries and the helpers that everybody calls: never the function at fault.

Compiled, which takes a while, only once there is a splat.
"""


def clean(function: str) -> str:
    """A function's name as it stands in the source."""
    return _SUFFIX.sub("", function)


def machinery(function: str) -> bool:
    """Whether a function only reports, or does for everybody what somebody asked for wrongly."""
    return re.fullmatch(_MACHINERY, function, re.VERBOSE) is not None


def frame_of(text: str) -> str:
    """The function, and its module, of a line of a stack trace; empty if it is none or only a guess of the unwinder."""
    if "+0x" not in text and " from " not in text:
        return ""
    for pattern in _FRAMES:
        found = pattern.match(text)
        if found:
            return _shown(found)
    return ""


def place_of(text: str) -> str:
    """The function where the processor stood, of the line that says so."""
    found = _PLACE.match(text)
    return _shown(found) if found else ""


def telling(frames: Sequence[str]) -> tuple[str, ...]:
    """The frames from the first that is not machinery on; all of them if there is no such."""
    for number, frame in enumerate(frames):
        if not machinery(frame.partition(" ")[0]):
            return tuple(frames[number : number + MOST])
    return tuple(frames[:MOST])


def _shown(found: re.Match[str]) -> str:
    module = found["module"]
    return clean(found["function"]) + (f" [{module}]" if module else "")
