"""The table ``hits`` as an Iceberg user would have it: 105 columns, names in small letters.

Iceberg has no 16-bit integers, so what ClickBench keeps in those is an ``int`` here. Names are in small letters because
some engines fold unquoted names to them and others look for a name as it is written: one SQL fits all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "hits"


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_LONGS = frozenset({"watchid", "userid", "funiqid", "paramprice", "refererhash", "urlhash"})
_TIMESTAMPS = frozenset({"eventtime", "clienteventtime", "localeventtime"})
_STRINGS = _names(
    """
    title url referer flashminor2 useragentminor mobilephonemodel params searchphrase pagecharset originalurl hitcolor
    browserlanguage browsercountry socialnetwork socialaction socialsourcepage paramorderid paramcurrency
    openstatservicename openstatcampaignid openstatadid openstatsourceid utmsource utmmedium utmcampaign utmcontent
    utmterm fromtag
    """
)
COLUMNS = _names(
    """
    watchid javaenable title goodevent eventtime eventdate counterid clientip regionid userid counterclass os useragent
    url referer isrefresh referercategoryid refererregionid urlcategoryid urlregionid resolutionwidth resolutionheight
    resolutiondepth flashmajor flashminor flashminor2 netmajor netminor useragentmajor useragentminor cookieenable
    javascriptenable ismobile mobilephone mobilephonemodel params ipnetworkid traficsourceid searchengineid searchphrase
    advengineid isartifical windowclientwidth windowclientheight clienttimezone clienteventtime silverlightversion1
    silverlightversion2 silverlightversion3 silverlightversion4 pagecharset codeversion islink isdownload isnotbounce
    funiqid originalurl hid isoldcounter isevent isparameter dontcounthits withhash hitcolor localeventtime age sex
    income interests robotness remoteip windowname openername historylength browserlanguage browsercountry socialnetwork
    socialaction httperror sendtiming dnstiming connecttiming responsestarttiming responseendtiming fetchtiming
    socialsourcenetworkid socialsourcepage paramprice paramorderid paramcurrency paramcurrencyid openstatservicename
    openstatcampaignid openstatadid openstatsourceid utmsource utmmedium utmcampaign utmcontent utmterm fromtag hasgclid
    refererhash urlhash clid
    """
)


def schema() -> pa.Schema:
    """The Arrow schema of ``hits``: ``int32``, ``int64``, ``string``, ``date32`` and ``timestamp[us]``."""
    import pyarrow as pa

    return pa.schema([pa.field(name, _type(name)) for name in COLUMNS])


def _type(name: str) -> pa.DataType:
    import pyarrow as pa

    if name in _STRINGS:
        return pa.string()
    if name in _TIMESTAMPS:
        return pa.timestamp("us")
    if name == "eventdate":
        return pa.date32()
    return pa.int64() if name in _LONGS else pa.int32()
