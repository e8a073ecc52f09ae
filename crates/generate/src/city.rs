//! The city: its districts, names and trades. None of it exists.

/// A district or county of the city.
pub(crate) struct District {
    /// Its code. No prefecture has the digits 98 after those of the province.
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    /// How many of 1,000 persons live there.
    pub(crate) weight: u64,
    pub(crate) area_km2: u64,
}

const fn district(code: &'static str, name: &'static str, weight: u64, area_km2: u64) -> District {
    District { code, name, weight, area_km2 }
}

/// The last one is so small that most of its cells are.
pub(crate) const DISTRICTS: [District; 10] = [
    district("339802", "甲城区", 230, 62),
    district("339803", "乙城区", 190, 88),
    district("339804", "丙城区", 150, 120),
    district("339805", "丁湖区", 130, 305),
    district("339806", "戊江区", 100, 410),
    district("339807", "己港区", 80, 530),
    district("339808", "庚山区", 60, 1024),
    district("339821", "辛田县", 40, 1806),
    district("339822", "壬林县", 17, 2440),
    district("339823", "癸岛县", 3, 71),
];

/// Where those come from who were not born in the city.
pub(crate) const ELSEWHERE: [&str; 12] = [
    "119802", "139821", "219804", "329802", "349823", "369821", "379803", "419822", "429802",
    "449805", "519821", "619802",
];

pub(crate) const SURNAMES: [&str; 10] =
    ["甲", "乙", "丙", "丁", "戊", "己", "庚", "辛", "壬", "癸"];
pub(crate) const GIVEN: [&str; 10] = ["样", "例", "虚", "拟", "构", "假", "试", "仿", "造", "设"];
pub(crate) const NUMBERED: [&str; 10] =
    ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];

/// A value and its weight.
pub(crate) type Weighted = (&'static str, u64);

pub(crate) const ETHNIC_GROUPS: [Weighted; 7] = [
    ("汉族", 9600),
    ("畲族", 180),
    ("回族", 90),
    ("土家族", 60),
    ("苗族", 50),
    ("满族", 18),
    ("赫哲族", 2),
];
pub(crate) const EDUCATIONS: [Weighted; 6] =
    [("小学", 180), ("初中", 310), ("高中", 220), ("大专", 150), ("本科", 120), ("研究生", 20)];

pub(crate) const STREETS: [&str; 8] =
    ["虚构路", "样例路", "仿真街", "测试大道", "假设巷", "演示路", "模拟街", "拟造里"];

/// An industry: its code (GB/T 4754, letter and two digits), its name and its weight.
pub(crate) type Industry = (&'static str, &'static str, u64);

/// The first is that of the dominant taxpayer.
pub(crate) const INDUSTRIES: [Industry; 9] = [
    ("C26", "化学原料和化学制品制造业", 50),
    ("F52", "零售业", 280),
    ("F51", "批发业", 190),
    ("C17", "纺织业", 120),
    ("I65", "软件和信息技术服务业", 110),
    ("H62", "餐饮业", 100),
    ("E47", "房屋建筑业", 80),
    ("G54", "道路运输业", 66),
    ("B10", "非金属矿采选业", 4),
];

/// A diagnosis: its code (ICD-10), its name, and how often it occurs in a million visits.
pub(crate) type Diagnosis = (&'static str, &'static str, u64);

pub(crate) const DIAGNOSES: [Diagnosis; 24] = [
    ("J06.9", "急性上呼吸道感染", 211_800),
    ("I10", "原发性高血压", 154_000),
    ("E11.9", "2型糖尿病", 96_000),
    ("K29.7", "胃炎", 82_000),
    ("M54.5", "下背痛", 71_000),
    ("J20.9", "急性支气管炎", 64_000),
    ("L30.9", "皮炎", 56_000),
    ("K02.9", "龋齿", 52_000),
    ("H10.9", "结膜炎", 43_000),
    ("N39.0", "泌尿道感染", 36_000),
    ("M17.9", "膝关节病", 31_000),
    ("J45.9", "哮喘", 25_000),
    ("I25.1", "冠状动脉粥样硬化性心脏病", 21_000),
    ("F41.1", "广泛性焦虑障碍", 17_000),
    ("K80.2", "胆囊结石", 14_000),
    ("D50.9", "缺铁性贫血", 11_000),
    ("C34.9", "支气管或肺恶性肿瘤", 6_000),
    ("F32.9", "抑郁发作", 5_000),
    ("A15.0", "肺结核", 2_400),
    ("B18.1", "慢性乙型病毒性肝炎", 1_500),
    ("B20", "人类免疫缺陷病毒病", 180),
    ("G10", "亨廷顿病", 70),
    ("E75.2", "戈谢病", 35),
    ("A20.0", "腺鼠疫", 15),
];

pub(crate) const DEPARTMENTS: [&str; 6] = ["全科", "内科", "外科", "儿科", "口腔科", "中医科"];
