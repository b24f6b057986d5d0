"""What the shop page says, in English and Chinese."""

from mmtutorial import TutorialError

SAYS = {  # English, Chinese; what belongs to a catalogue (titles, values) stays as it is there
    "shop": ("{name} shop", "{name} 商店"),
    "ask": ("What are you looking for?", "您想找什么？"),
    "search": ("Search", "搜索"),
    "add photo": ("Add a photo", "添加照片"),
    "remove photo": ("Remove photo", "移除照片"),
    "words": ("words", "文字"),
    "photo": ("photo", "照片"),
    "mixing": ("More words or more photo", "文字与照片的比重"),
    "filters": ("Filters", "筛选"),
    "clear": ("Clear all filters", "清除全部筛选"),
    "article_type": ("Article type", "商品类型"),
    "brand": ("Brand", "品牌"),
    "colour": ("Colour", "颜色"),
    "gender": ("For", "适用人群"),
    "pattern": ("Pattern", "图案"),
    "usage": ("Usage", "场合"),
    "season": ("Season", "季节"),
    "price": ("Price", "价格"),
    "from": ("{name}, from", "{name}，最低"),
    "to": ("{name}, to", "{name}，最高"),
    "narrow": ("Show only these", "只看这些"),
    "previous": ("← Previous", "← 上一页"),
    "next": ("Next →", "下一页 →"),
    "similar": ("Similar products", "相似商品"),
    "similar to": ("Similar to {title}", "与 {title} 相似"),
    "its photo": ("its photo", "照片"),
    "its title": ("its title", "标题"),
    "its bm25": ("its words", "用词"),
    "its attributes": ("its attributes", "属性"),
    "its vectors": ("its photo and title", "照片和标题"),
    "ranked by": (
        "The shop adds up what these say of each product. Switch some off to see what each of them "
        "does. What has nothing to say about a query is left out.",
        "商店把以下各项的得分相加来排序。关闭其中几项，可以看到每一项的作用。与查询无关的部分不计入。",
    ),
    "not given": ("{value}? not given", "{value}？未注明"),
    "other": ("{has}, not {value}", "{has}，不是 {value}"),
    "all products": ("All products", "全部商品"),
    "searching": ("Searching …", "正在搜索……"),
    "results": ("Results for “{words}”", "“{words}”的搜索结果"),
    "your photo": ("your photo", "您的照片"),
    "both": ("Results for “{words}” and your photo", "“{words}”和您的照片的搜索结果"),
    "read as": ("Read as", "理解为"),
    "none passes": (
        "No product passes these filters: clear one of them.",
        "没有符合筛选条件的商品：请清除一个条件。",
    ),
    "none known": ("No product has these words. Try others.", "没有商品含有这些词，请换别的词。"),
    "unknown": ("No product has the word “{word}”.", "没有商品含有“{word}”一词。"),
    "too long": (
        "{length} characters are too many: describe it in up to {most}",
        "{length} 个字符太多了：请用不超过 {most} 个字符描述",
    ),
    "trouble": (
        "Something went wrong here. Try again, or ask for something else.",
        "出了点问题。请重试，或搜索别的商品。",
    ),
    "large": (
        "“{name}” has {size} MB; a photo may have {most}: make it smaller, or take another one",
        "“{name}”有 {size} MB，照片最多 {most} MB：请缩小它，或换一张",
    ),
    "no photo": (
        "“{name}” is no photo that can be read: take one of {formats}",
        "“{name}”不是可以读取的照片：请选择 {formats} 格式",
    ),
    "many pixels": (
        "“{name}” would unpack to more than {most} million pixels: make it smaller, or take "
        "another one",
        "“{name}”展开后超过 {most} 百万像素：请缩小它，或换一张",
    ),
    "foreign": (
        "Another site's page asked for the shop. The shop opens only when you ask for it yourself.",
        "这个请求来自其他网站的页面。请您自己打开商店。",
    ),
    "open": ("Open the shop", "打开商店"),
    "unusable": ("“{name}” cannot be used: {why}", "“{name}”无法使用：{why}"),
    "no product": ("There is no product {id}.", "没有编号为 {id} 的商品。"),
    # The page
    "this language": ("English", "中文"),
    "skip": ("Skip to the products", "跳到商品"),
    "empty": ("Empty the search box", "清空搜索框"),
    "take photo": ("Take a photo", "拍照"),
    "suggestions": ("Suggestions", "搜索建议"),
    "recent": ("Recent searches", "最近搜索"),
    "forget": ("Clear recent searches", "清除最近搜索"),
    "dark": ("Dark colours", "深色模式"),
    "drop here": ("Drop the photo here", "把照片放到这里"),
    "adding": ("Adding the photo …", "正在添加照片……"),
    "add words": (
        "Products that look like this photo. Type words as well to combine the two.",
        "与这张照片相似的商品。也可以再输入文字，两者结合搜索。",
    ),
    "share": ("{share} photo", "照片占 {share}"),
    "sort": ("Sort by", "排序"),
    "sort best": ("Best match", "最相关"),
    "sort price": ("Price, low to high", "价格从低到高"),
    "sort -price": ("Price, high to low", "价格从高到低"),
    "sort newest": ("Newest first", "最新上架"),
    "filters, chosen": ("Filters ({count})", "筛选（{count}）"),
    "show products": ("Show {count} products", "查看 {count} 件商品"),
    "chosen": ("Chosen filters", "已选条件"),
    "close": ("Close", "关闭"),
    "remove": ("Remove", "移除"),
    "remove filter": ("Remove the filter {name}", "移除筛选条件 {name}"),
    "take off": ("Do not count this", "不计入此项"),
    "put back": ("Count this again", "重新计入此项"),
    "show all": ("Show all {count}", "显示全部 {count} 项"),
    "show fewer": ("Show fewer", "收起"),
    "find in": ("Find in {name}", "在“{name}”中查找"),
    "from, short": ("From", "最低"),
    "to, short": ("To", "最高"),
    "at least": ("{least} or more", "{least} 以上"),
    "at most": ("up to {most}", "{most} 以下"),
    "pages": ("Pages", "分页"),
    "page": ("Page {page}", "第 {page} 页"),
    "by photo": ("Results for your photo", "您的照片的搜索结果"),
    "products": ("{count} products", "{count} 件商品"),
    "product": ("{count} product", "{count} 件商品"),
    "some fit": ("{fit} of {total} products fit.", "{total} 件商品中有 {fit} 件符合。"),
    "one fits": ("{fit} of {total} products fits.", "{total} 件商品中有 {fit} 件符合。"),
    "more may fit": ("More that may fit follow.", "下方是可能符合的其他商品。"),
    "may fit": ("These may fit as well", "以下商品也可能符合"),
    "none fits": (
        "No product fits closely. These come nearest.",
        "没有完全符合的商品。以下是最接近的商品。",
    ),
    "translated": ("Searched for “{words}”.", "按“{words}”搜索。"),
    "did you mean": ("Did you mean", "您是不是要找"),
    "no answer": ("No answer", "没有结果"),
    "again": ("Try again", "重试"),
    "no network": (
        "The shop cannot be reached. Check the connection, then try again.",
        "无法连接商店。请检查网络，然后重试。",
    ),
    # What the server says (door.py, service.py).
    "busy": (
        "The shop is busy. The page asks again in {seconds} s.",
        "商店繁忙，{seconds} 秒后自动重试。",
    ),
    "loading": ("Loading …", "正在加载……"),
    "find similar": ("Find similar products", "查找相似商品"),
    "why found": ("Why it was found", "为什么找到它"),
    "place and score": ("Place {place}, score {score}", "第 {place} 名，得分 {score}"),
    "parts": ("What the score is made of", "得分的组成"),
    "agrees": ("It has:", "符合："),
    "differs": ("It does not have:", "不符合："),
    "words found": ("Words found in the title:", "标题中找到的词："),
    "how ranked": ("How is this ranked?", "排序依据是什么？"),
    "scorers": ("Ranked by", "排序依据"),
    "moves": (
        "Each product shows how many places it gained or lost against the shop's own ranking.",
        "每件商品标明它与商店默认排序相比上升或下降了几名。",
    ),
    "own ranking": ("Back to the shop's own ranking", "恢复商店默认排序"),
    "moved up": ("{places} places up", "上升 {places} 名"),
    "moved down": ("{places} places down", "下降 {places} 名"),
    "not moved": ("same place", "名次不变"),
    "took": ("Answered in {milliseconds} ms.", "用时 {milliseconds} 毫秒。"),
    # Reviews, offers, and what the visitor may like
    "stars": (
        "{stars} of 5 stars, likely {low} to {high}; reviews: {count}",
        "{stars} 星（满分 5 星），很可能在 {low} 到 {high} 之间；评价数：{count}",
    ),
    "offers from": ("Offers from {price}", "其他卖家 {price} 起"),
    "offers": ("Offers of other sellers", "其他卖家的报价"),
    "seller": ("Seller", "卖家"),
    "too cheap": ("Too cheap to be the same thing", "价格过低，可能不是同一商品"),
    "reviews": ("What buyers say", "买家评价"),
    "interval": (
        "Stars of 1 to 5, in brackets the number of reviews or sentences. The wide part of a bar "
        "is where the true value likely lies; a value of few sentences is drawn towards the mean "
        "of all products.",
        "1 到 5 星，括号内为评价数或句数。宽的部分表示真实值很可能所在的范围；"
        "句数少时，数值会向全部商品的平均值靠拢。",
    ),
    "about overall": ("All in all", "总体"),
    "about fit": ("Fit", "版型"),
    "about fabric": ("Fabric", "面料"),
    "about colour": ("Colour as pictured", "颜色与图片"),
    "about price": ("Value for money", "性价比"),
    "stars, said": (
        "{stars} of 5 stars, likely {low} to {high}; sentences: {count}",
        "{stars} 星（满分 5 星），很可能在 {low} 到 {high} 之间；句数：{count}",
    ),
    "invented": (
        "Reviews and offers are drawn: they are invented for the course.",
        "评价和报价都是为课程虚构的。",
    ),
    "for you": ("For you", "为您推荐"),
    "for you, why": (
        "Near what you opened. Only this browser remembers what that was.",
        "与您看过的商品相近。浏览记录只保存在此浏览器中。",
    ),
    "forget seen": ("Forget what I opened", "清除浏览记录"),
    "with taste": ("With my taste", "结合我的喜好"),
    "its taste": ("your taste", "您的喜好"),
    # Columns of a catalogue
    "category": ("Category", "类别"),
    "subcategory": ("Subcategory", "子类别"),
    "year": ("Year", "年份"),
    "opening": (
        "The shop is being opened. The page comes as soon as it is ready.",
        "商店正在打开，准备好后页面会自动出现。",
    ),
    "often": (
        "These are very many requests from one address: wait a few seconds.",
        "来自同一地址的请求太多：请稍等几秒。",
    ),
    "other name": (
        "The shop does not go by the name {host}: open it at {address}.",
        "商店的地址不是 {host}：请打开 {address}。",
    ),
    "nowhere": ("There is nothing at this address.", "这个地址没有内容。"),
    "odd address": ("This address cannot be read.", "无法读取这个地址。"),
    "odd": (
        "The shop cannot do anything with this value of “{name}”.",
        "商店无法处理“{name}”的这个值。",
    ),
    "photo gone": (
        "This photo is not kept any more. Add it again.",
        "这张照片已不再保留，请重新添加。",
    ),
}
ENGLISH, CHINESE = 0, 1


def say(key: str, language: int = ENGLISH, **values) -> str:
    """What the page says under ``key`` of ``SAYS``, in that language.

    >>> say("similar to", CHINESE, title="Hat")
    '与 Hat 相似'
    """
    return SAYS[key][language].format(**values)


class Said(TutorialError):
    """A fault that a page can say in its visitor's language; as a text it is English."""

    def __init__(self, key, **values):
        super().__init__(say(key, **values))
        self.key, self.values = key, values
