"""Every cap, deadline, queue length and share, with its reason; each can be changed in the environment.

A limit called `UPLOAD_BYTES` is changed by `CVDEMO_UPLOAD_BYTES=20000000`, before the page or the command line starts.
`check()` says what is wrong with the environment, in one sentence. `docs/reference/limits.md` is made from this module.
"""

import os
from dataclasses import dataclass
from typing import TypeVar

from cvdemo.errors import InputError, brief

PREFIX = "CVDEMO_"
MB = 2**20

N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Limit:
    """One limit as the documentation shows it."""

    name: str
    default: float
    unit: str
    reason: str
    group: str

    @property
    def variable(self) -> str:
        return PREFIX + self.name


LIMITS: dict[str, Limit] = {}
_wrong: list[str] = []
_group = ""


def _limit(name: str, default: N, unit: str, reason: str) -> N:
    """The default, or what the environment says; notes the limit."""
    LIMITS[name] = Limit(name, default, unit, reason, _group)
    text = os.environ.get(PREFIX + name)
    if text is None:
        return default
    value = _number(text, type(default))
    if value is None:
        kind = "a whole number" if isinstance(default, int) else "a number"
        _wrong.append(f"{PREFIX}{name} must be {kind} of {unit} above 0, got {brief(text)}.")
    return default if value is None else value


def _number(text: str, kind: type[N]) -> N | None:
    try:
        value = kind(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def check() -> None:
    """Raises `InputError` where a variable of the environment is no limit; the sentence names it."""
    if _wrong:
        raise InputError(_wrong[0])


_group = "Pictures"
PICTURE_MEGAPIXELS = _limit(
    "PICTURE_MEGAPIXELS", 40.0, "megapixels", "size of a picture that is read; phones make 12 to 50"
)
PICTURE_ASPECT_RATIO = _limit(
    "PICTURE_ASPECT_RATIO", 50.0, "times", "longer side of a picture, divided by its shorter side"
)
FILE_BYTES = _limit(
    "FILE_BYTES",
    512 * MB,
    "bytes",
    "size of a file on the command line; 40 megapixels of 16 bits with alpha take 320 MB",
)
MEMORY_HERE_BYTES = _limit(
    "MEMORY_HERE_BYTES",
    200e6,
    "bytes",
    "memory for decoding; a picture that may need more is decoded in a separate process",
)
PROFILE_BYTES = _limit(
    "PROFILE_BYTES", 4 * MB, "bytes", "size of a colour profile, unpacked; those of printers reach 3 MB"
)
EXIF_BYTES = _limit("EXIF_BYTES", MB // 4, "bytes", "size of the camera data (EXIF); a JPEG holds at most 64 KB of it")
JPEG_SCANS = _limit("JPEG_SCANS", 100, "scans", "scans in a progressive JPEG; each costs time, and about 10 are usual")
FILE_PARTS = _limit(
    "FILE_PARTS", 50_000, "parts", "parts in a picture file, such as the chunks of a PNG; each costs time"
)

_group = "Videos"
VIDEO_BYTES = _limit(
    "VIDEO_BYTES", 100 * MB, "bytes", "size of a video file on the command line; the page takes UPLOAD_BYTES at most"
)
VIDEO_S = _limit("VIDEO_S", 20.0, "seconds", "of a video that are looked at, from its beginning")
VIDEO_FPS = _limit("VIDEO_FPS", 15.0, "frames a second", "of a video that are looked at; the others are skipped")
VIDEO_FASTEST_FPS = _limit(
    "VIDEO_FASTEST_FPS", 240, "frames a second", "of a file, those of slow motion; one that has more is cut"
)
VIDEO_MEGAPIXELS = _limit("VIDEO_MEGAPIXELS", 9.0, "megapixels", "size of a frame; 4K has 8.3")
VIDEO_SEARCHED_MEGAPIXELS = _limit(
    "VIDEO_SEARCHED_MEGAPIXELS", 0.3, "megapixels", "size at which a frame is searched; it then takes about 0.1 s"
)
VIDEO_SIDE_PX = _limit("VIDEO_SIDE_PX", 1280, "px", "longer side of the annotated video; larger frames are shrunk")

_group = "Decoding in a separate process"
DECODING_MEMORY_BYTES = _limit(
    "DECODING_MEMORY_BYTES",
    2**31,
    "bytes",
    "memory (address space) of the process; 40 megapixels of WebP with alpha take 1.2 GB",
)
DECODING_CPU_S = _limit("DECODING_CPU_S", 20, "seconds", "CPU time for one picture; 40 megapixels take 3 s")
DECODING_WALL_S = _limit(
    "DECODING_WALL_S", 60.0, "seconds", "total time for one picture, waiting for a busy machine included"
)
DECODING_KILL_S = _limit(
    "DECODING_KILL_S", 5, "seconds", "CPU time after that limit, until the system kills a process that does not end"
)
DECODING_EXIT_S = _limit("DECODING_EXIT_S", 2.0, "seconds", "between the last byte of the process and its end")
DECODING_ANSWER_BYTES = _limit("DECODING_ANSWER_BYTES", 2000, "bytes", "size of the first line that the process sends")

_group = "Time for one job on the page"
EXPLAIN_S = _limit("EXPLAIN_S", 60.0, "seconds", "for an explanation, and for the search for the smallest change")
CLASSIFY_BATCH_S = _limit(
    "CLASSIFY_BATCH_S", 90.0, "seconds", "for naming several pictures; 100 photographs of 12 megapixels take about 30 s"
)
TEACH_S = _limit("TEACH_S", 30.0, "seconds", "for teaching; 100 pictures take 3 to 6 s")
DETECT_S = _limit("DETECT_S", 60.0, "seconds", "for a detection; crop by crop takes longest")
DETECT_BATCH_S = _limit("DETECT_BATCH_S", 180.0, "seconds", "for detections on several pictures; 30 take 5 to 20 s")
MOTION_S = _limit("MOTION_S", 30.0, "seconds", "for the film of the windows in motion; it takes 2 to 5 s")
LIVE_S = _limit("LIVE_S", 60, "seconds", "for a camera, which holds one core as long as it looks; it can begin again")
LIVE_SILENT_S = _limit(
    "LIVE_SILENT_S", 10.0, "seconds", "until a camera that sends no frame loses its place; it sends several a second"
)
LIVE_FRAME_S = _limit("LIVE_FRAME_S", 1.0, "seconds", "for one frame of a camera; what was found until then is shown")
DETECT_VIDEO_S = _limit("DETECT_VIDEO_S", 120.0, "seconds", "for a video; a frame takes about 0.1 s")
DREAM_S = _limit("DREAM_S", 90.0, "seconds", "for a dream; the number of steps is planned to fit")
DREAM_FILM_S = _limit("DREAM_FILM_S", 120.0, "seconds", "for a zoom film; 60 frames of 384 px take 15 to 30 s")
STYLE_S = _limit("STYLE_S", 120.0, "seconds", "for a style transfer; the number of steps is planned to fit")
STYLE_VIDEO_S = _limit("STYLE_VIDEO_S", 180.0, "seconds", "for a video in a style; a frame of 512 px takes 0.3 s")
WALK_S = _limit("WALK_S", 60.0, "seconds", "for a film")
UPSCALE_S = _limit("UPSCALE_S", 150.0, "seconds", "for an upscaling; 40 megapixels take 52 s of one core with 9-5-5")
UPSCALE_BATCH_S = _limit(
    "UPSCALE_BATCH_S", 180.0, "seconds", "for upscaling several pictures; meanwhile they hold a place in the slow lane"
)

_group = "Running jobs"
JOBS_AT_ONCE = _limit(
    "JOBS_AT_ONCE", 4, "jobs", "that run in one lane, however many cores there are; a style of 1024 px takes 1 GB"
)
JOBS_WAITING = _limit(
    "JOBS_WAITING", 60, "jobs", "that wait in one lane; the queue lets half as many in, the rest are moved sliders"
)
STEPS_AHEAD = _limit(
    "STEPS_AHEAD", 4, "steps", "that a job may be ahead of its reader; each may hold a preview of some megabytes"
)
CLOSING_S = _limit("CLOSING_S", 2.0, "seconds", "for running jobs to end when the program ends")
LIVE_AT_ONCE = _limit("LIVE_AT_ONCE", 2, "cameras", "of all visitors together; the next one waits for its turn")
QUICK_MEGAPIXELS = _limit(
    "QUICK_MEGAPIXELS", 4.0, "megapixels", "size of an enlarged picture in the quick lane; 9-5-5 takes 1.3 s for each"
)
RAY_REPLICAS_MOST = _limit("RAY_REPLICAS_MOST", 64, "replicas", "that CVDEMO_RAY_REPLICAS may ask for")
RAY_DEPLOYMENTS = _limit("RAY_DEPLOYMENTS", 8, "deployments", "of one page on Ray Serve; there are six demos")
RAY_STARTING_S = _limit(
    "RAY_STARTING_S", 120.0, "seconds", "until the first replica of a demo has started; it imports PyTorch"
)
RAY_WAITING = _limit("RAY_WAITING", 20, "jobs", "that wait for each replica on Ray Serve")

_group = "Teaching"
TEACH_CLASSES = _limit("TEACH_CLASSES", 10, "classes", "of one head; so many fit on the page below one another")
TEACH_PICTURES_PER_CLASS = _limit(
    "TEACH_PICTURES_PER_CLASS", 50, "pictures", "of one class; more than 20 seldom change the answers"
)
TEACH_PICTURES = _limit(
    "TEACH_PICTURES", 100, "pictures", "of all classes together; each is left out once, which takes up to 20 ms a time"
)
TEACH_LABEL_LENGTH = _limit("TEACH_LABEL_LENGTH", 40, "characters", "in the name of a class, which stands beside bars")
TEACH_BURST = _limit("TEACH_BURST", 8, "pictures", "that the camera takes at one press, in about four seconds")
HEAD_BYTES = _limit("HEAD_BYTES", MB, "bytes", "size of the file of a taught head; ten classes take 0.05 MB")

_group = "Results"
DETECT_CANDIDATES = _limit(
    "DETECT_CANDIDATES",
    1000,
    "windows",
    "of one pyramid level that are kept, best first; and as many more that stand alone",
)
DETECT_MEGAPIXELS = _limit(
    "DETECT_MEGAPIXELS",
    2.0,
    "megapixels",
    "size at which imagenet and OpenCV search a picture; a megapixel takes imagenet 250 MB, and OpenCV half a second",
)
DETECT_PICTURES = _limit(
    "DETECT_PICTURES", 30, "pictures", "that are searched at once; a session keeps 0.3 MB for each"
)
CLASSIFY_PICTURES = _limit(
    "CLASSIFY_PICTURES", 100, "pictures", "that are named at once; as many photographs as one address may upload"
)
UPSCALE_PICTURES = _limit("UPSCALE_PICTURES", 30, "pictures", "that are enlarged at once; a gallery shows no more")
UPSCALE_BATCH_MEGAPIXELS = _limit(
    "UPSCALE_BATCH_MEGAPIXELS",
    120.0,
    "megapixels",
    "of all pictures that are enlarged at once; their PNGs take up to 360 MB of the page's folder",
)
MOTION_FRAMES = _limit(
    "MOTION_FRAMES", 200, "frames", "in the film of the windows in motion: ten seconds, and nobody watches longer"
)
LIVE_MEGAPIXELS = _limit(
    "LIVE_MEGAPIXELS", 2.5, "megapixels", "size of one frame of a camera; the page asks for 0.3, and some give 2.1"
)
LIVE_SIDE_PX = _limit(
    "LIVE_SIDE_PX",
    480,
    "px",
    "longer side at which a frame of a camera is searched; the first level of the face detector has 416",
)
DREAM_FILM_FRAMES = _limit(
    "DREAM_FILM_FRAMES", 240, "frames", "of a zoom film: 10 seconds at 24 a second; each frame is dreamed"
)
GIF_BYTES = _limit("GIF_BYTES", 8 * MB, "bytes", "size of a GIF; its frames are made smaller until it fits")
GIF_SIDE_PX = _limit("GIF_SIDE_PX", 320, "px", "longer side of a GIF's frames; 240 of them take 75 MB of memory")
RECIPE_BYTES = _limit(
    "RECIPE_BYTES", 8192, "bytes", "size of the settings in a dreamed picture's file; those of the page take 0.5 kB"
)
UPSCALED_MEGAPIXELS = _limit("UPSCALED_MEGAPIXELS", 40.0, "megapixels", "size of an enlarged picture")
DREAM_MEGAPIXELS = _limit(
    "DREAM_MEGAPIXELS", 12.0, "megapixels", "size of a dream, a phone's photograph; so large, it takes 2 GB of memory"
)
STYLE_ASPECT_RATIO = _limit(
    "STYLE_ASPECT_RATIO", 8.0, "times", "longer side of a picture for style transfer, divided by its shorter side"
)
WALK_STOPS = _limit("WALK_STOPS", 16, "pictures", "pictures that a film or an interpolation passes through")

_group = "Waiting jobs"
QUEUE_LENGTH = _limit(
    "QUEUE_LENGTH",
    30,
    "jobs",
    "in each queue, the quick and the slow one; in the slow one, the last may wait for an hour",
)
PLACES_PER_CLIENT = _limit(
    "PLACES_PER_CLIENT", 4, "jobs", "of one visitor in each queue: one that runs, one in another tab, and two spare"
)
PLACES_PER_ADDRESS = _limit(
    "PLACES_PER_ADDRESS", 12, "jobs", "of one IP address in each queue: a few visitors in one house"
)
LIGHT_PLACES_PER_CLIENT = _limit(
    "LIGHT_PLACES_PER_CLIENT",
    20,
    "light jobs",
    "of one visitor; light jobs are moved sliders and the like; dragging asks ten times a second",
)
LIGHT_PLACES_PER_ADDRESS = _limit(
    "LIGHT_PLACES_PER_ADDRESS", 60, "light jobs", "of one IP address: a few visitors in one house"
)
LIGHT_QUEUE_LENGTH = _limit("LIGHT_QUEUE_LENGTH", 200, "light jobs", "of all visitors together")
UNHEARD_S = _limit(
    "UNHEARD_S", 10.0, "seconds", "until a job is dropped if nobody asks for its result; browsers ask at once"
)
LISTENING_S = _limit(
    "LISTENING_S",
    15.0,
    "seconds",
    "that a client counts as connected after it last asked for messages; it asks every 10 s or sooner",
)
UNREAD_KEPT_S = _limit("UNREAD_KEPT_S", 600.0, "seconds", "that a finished result is kept until its client reads it")
SESSION_NAME_LENGTH = _limit(
    "SESSION_NAME_LENGTH", 64, "characters", "in the name of a session; the page uses 11, Gradio's clients up to 32"
)
CANCELLED_RUNS = _limit(
    "CANCELLED_RUNS",
    2000,
    "runs",
    "that are remembered because they were cancelled, before they reached the queue or while they ran",
)

_group = "Files of visitors"
UPLOAD_BYTES = _limit("UPLOAD_BYTES", 40 * MB, "bytes", "size of one upload; a JPEG from a camera has 5 to 25 MB")
UPLOAD_WRAPPING_BYTES = _limit(
    "UPLOAD_WRAPPING_BYTES", 8 * MB, "bytes", "size of what an upload request holds beside the file"
)
KEEP_FILES_S = _limit(
    "KEEP_FILES_S", 3600, "seconds", "that uploads and results are kept: a visitor may look at them for an hour"
)
UNFINISHED_S = _limit("UNFINISHED_S", 900, "seconds", "until an upload that has not finished is deleted")
FILES_BYTES = _limit(
    "FILES_BYTES",
    2 * 2**30,
    "bytes",
    "of all files together, as much as 50 large uploads; temporary folders often have 4 GB",
)
UPLOAD_SHARE = _limit(
    "UPLOAD_SHARE", 4, "parts", "into which CVDEMO_FILES_BYTES is divided; one IP address may upload one part an hour"
)
PREVIEWS_AT_ONCE = _limit(
    "PREVIEWS_AT_ONCE",
    1,
    "pictures",
    "converted for the browser at the same time, such as TIFF; 40 megapixels take 200 MB for a second",
)
PREVIEWS_PER_ADDRESS = _limit("PREVIEWS_PER_ADDRESS", 2, "pictures", "of one IP address that may wait to be converted")

_group = "Requests"
CALL_BYTES = _limit(
    "CALL_BYTES",
    2 * MB,
    "bytes",
    "size of a request other than an upload; it names pictures by their paths, so it is small",
)
TEXT_LENGTH = _limit("TEXT_LENGTH", 2000, "characters", "in one field; the longest class name has fewer than 40")
FRAME_BYTES = _limit(
    "FRAME_BYTES", MB, "bytes", "size of one frame of a camera, as text; 640 x 480 px take 0.1 MB, 1080p 0.6 MB"
)
FIELD_ITEMS = _limit("FIELD_ITEMS", 500, "values", "in one field; a film has at most 16 pairs")
FIELD_SCALE = _limit(
    "FIELD_SCALE", 16, "times", "that a request may ask a picture to be enlarged; no network can do more"
)
STREAMS_PER_ADDRESS = _limit(
    "STREAMS_PER_ADDRESS",
    150,
    "streams",
    "of one IP address; a browser holds two for each tab, and a school class may share an address",
)
TOOL_INLINE_BYTES = _limit(
    "TOOL_INLINE_BYTES", MB, "bytes", "of pictures within the answer of an MCP tool; of the others the address is given"
)
TRACE_LENGTH = _limit("TRACE_LENGTH", 20_000, "characters", "of one error in the log; a long trace has 10,000")

_group = "Connections"
CONNECTIONS = _limit("CONNECTIONS", 1000, "connections", "of all clients together; each takes about 50 kB of memory")
CONNECTIONS_PER_ADDRESS = _limit(
    "CONNECTIONS_PER_ADDRESS", 100, "connections", "of one public IP address; not counted behind a proxy"
)
SPARE_FILES = _limit("SPARE_FILES", 200, "open files", "that connections leave to weights, pictures and libraries")
HEADER_S = _limit(
    "HEADER_S", 5.0, "seconds", "for a client to send the header of a request; browsers send it in one packet"
)
BODY_SILENCE_S = _limit("BODY_SILENCE_S", 20.0, "seconds", "in which a client may send nothing of a request's body")
BODY_GRACE_S = _limit(
    "BODY_GRACE_S",
    60.0,
    "seconds",
    "after which a client that sends slower than CVDEMO_BODY_BYTES_PER_S is disconnected",
)
BODY_BYTES_PER_S = _limit(
    "BODY_BYTES_PER_S",
    1024,
    "bytes",
    "least average speed of an upload, in bytes a second; a slow phone is ten times as fast",
)
UNREAD_S = _limit(
    "UNREAD_S", 120.0, "seconds", "in which a client may read nothing of an answer; a phone may sleep for a minute"
)

_group = "Sessions"
SESSIONS = _limit("SESSIONS", 400, "sessions", "whose state is kept; one without any takes 0.03 MB")
STATE_BYTES = _limit(
    "STATE_BYTES", 256 * MB, "bytes", "for the state of all sessions together; a detection takes 4 to 8 MB"
)
STATE_S = _limit("STATE_S", 3600.0, "seconds", "that unused state is kept")


def as_markdown() -> str:
    """The page of the documentation."""
    lines = [
        "# Limits",
        "",
        "Each limit is an environment variable. It is read once, when the page or the command line starts.",
        "For example: `CVDEMO_UPLOAD_BYTES=20000000 make run`.",
    ]
    for group in dict.fromkeys(limit.group for limit in LIMITS.values()):
        lines += ["", f"## {group}", "", "| Variable | Default | Unit | What it limits, and why |", "|---|---|---|---|"]
        lines += [
            f"| `{limit.variable}` | {limit.default:g} | {limit.unit} | {limit.reason} |"
            if limit.default < 1e5
            else f"| `{limit.variable}` | {limit.default:,.0f} | {limit.unit} | {limit.reason} |"
            for limit in LIMITS.values()
            if limit.group == group
        ]
    return "\n".join(lines) + "\n"
