"""Usual constructs of a survey of customers, and the names under which surveys carry them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from crm_utils.language import tr

CONSTRUCT_TERMS = {
    "image": "品牌形象",
    "expectation": "顾客期望",
    "quality": "感知质量",
    "product_quality": "感知产品质量",
    "service_quality": "感知服务质量",
    "performance": "感知绩效",
    "value": "感知价值",
    "satisfaction": "顾客满意",
    "complaints": "顾客抱怨",
    "loyalty": "顾客忠诚",
    "switching_cost": "转换成本",
    "trust": "信任",
}
"""Usual constructs in Chinese."""

_OTHER_NAMES = {
    "brand_image": "image",
    "expectations": "expectation",
    "complaint": "complaints",
    "switching_costs": "switching_cost",
    "repurchase_intention": "loyalty",
    "repurchase": "loyalty",
    "retention": "loyalty",
    "csat": "satisfaction",
    "企业形象": "image",
    "形象": "image",
    "期望": "expectation",
    "产品质量": "product_quality",
    "服务质量": "service_quality",
    "质量": "quality",
    "绩效": "performance",
    "价值": "value",
    "满意": "satisfaction",
    "抱怨": "complaints",
    "投诉": "complaints",
    "忠诚": "loyalty",
    "重购意向": "loyalty",
}
_QUALIFIERS = re.compile(r"^(customers?|overall|perceived|total|general)_|_(index|score)$")
_CHINESE_QUALIFIERS = re.compile(r"^(顾客|客户|用户|总体|整体|感知)|(度|指数)$")


def usual_construct(name: str) -> str | None:
    """Recognise a usual construct by the name that a survey gives it.

    Parameters
    ----------
    name : str
        Name, in English or Chinese.

    Returns
    -------
    str or None
        Key of `CONSTRUCT_TERMS`; None for a name that is not recognised. Capitals, spaces and hyphens, words such as
        "customer", "overall" and "perceived", and endings such as 度 make no difference.

    Examples
    --------
    >>> [usual_construct(name) for name in ("Customer satisfaction", "顾客满意度", "perceived_value", "ZQ7")]
    ['satisfaction', 'satisfaction', 'value', None]
    """
    plain = re.sub(r"[\W_]+", "_", str(name).strip().lower()).strip("_")
    known = {**{term: key for key, term in CONSTRUCT_TERMS.items()}, **_OTHER_NAMES, **{k: k for k in CONSTRUCT_TERMS}}
    seen = ""
    while plain and plain != seen:
        if plain in known:
            return known[plain]
        seen, plain = plain, _CHINESE_QUALIFIERS.sub("", _QUALIFIERS.sub("", plain))
    return None


def usual_constructs(
    constructs: Mapping[str, Sequence[str]],
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Give the constructs of a survey their usual names, by which models find them.

    Parameters
    ----------
    constructs : mapping of str to sequence of str
        Items by construct.

    Returns
    -------
    constructs : dict of str to tuple of str
        The same items in the same order, a construct that is recognised (`usual_construct`) under its usual name.
        Where a construct has that name already, or several could have it, all keep their own.
    reasons : tuple of str
        One sentence for each name changed.

    Examples
    --------
    >>> usual_constructs({"Overall satisfaction": ["s1", "s2"]})
    ({'satisfaction': ('s1', 's2')}, ('The construct Overall satisfaction is taken for satisfaction.',))
    """
    usual = {name: usual_construct(name) for name in constructs}
    wanted = Counter(usual.values())
    named: dict[str, tuple[str, ...]] = {}
    reasons = []
    for name, items in constructs.items():
        other = usual[name]
        if other in (None, name) or wanted[other] > 1:
            named[name] = tuple(items)
            continue
        named[other] = tuple(items)
        reasons.append(
            tr("The construct {name} is taken for {usual}.").format(name=name, usual=other.replace("_", " "))
        )
    return named, tuple(reasons)
